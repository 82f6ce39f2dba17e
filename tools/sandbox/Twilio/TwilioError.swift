import HTTP
import JSON

/// A refusal in the form of the 2010 API: `{"code", "message", "more_info", "status"}`.
/// Source: Twilio's dictionary of errors, https://www.twilio.com/docs/api/errors.
struct TwilioError: Error, Equatable, Sendable {
  let status: Int
  let code: Int
  let message: String

  var response: HTTPResponse { .json(status, body.bytes()) }

  var body: JSON {
    [
      "code": .int(Int64(code)), "message": .string(message),
      "more_info": .string("https://www.twilio.com/docs/errors/\(code)"),
      "status": .int(Int64(status)),
    ]
  }
}

extension TwilioError {
  static let unauthorized = TwilioError(status: 401, code: 20003, message: "Authenticate")
  static let tooManyRequests = TwilioError(status: 429, code: 20429, message: "Too Many Requests")
  static let internalError = TwilioError(status: 500, code: 20500, message: "Internal Server Error")
  static let unavailable = TwilioError(status: 503, code: 20503, message: "Service Unavailable")
  static let toMissing = TwilioError(
    status: 400, code: 21604, message: "A 'To' phone number is required.")
  static let fromMissing = TwilioError(
    status: 400, code: 21603, message: "A 'From' phone number is required.")
  static let bodyMissing = TwilioError(
    status: 400, code: 21602, message: "Message body is required.")
  static let bodyTooLong = TwilioError(
    status: 400, code: 21617,
    message: "The concatenated message body exceeds the 1600 character limit.")
  static let unsubscribed = TwilioError(
    status: 400, code: 21610, message: "Attempt to send to unsubscribed recipient")

  static func notFound(_ path: String) -> TwilioError {
    TwilioError(
      status: 404, code: 20404, message: "The requested resource \(path) was not found")
  }

  static func notAllowed(_ path: String) -> TwilioError {
    TwilioError(status: 405, code: 20004, message: "Method not allowed for \(path)")
  }

  static func invalidTo(_ number: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21211, message: "The 'To' number \(number) is not a valid phone number.")
  }

  static func notYours(_ number: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21606,
      message: "The From phone number \(number) is not a valid, SMS-capable inbound phone number "
        + "or short code for your account.")
  }

  static func regionDisabled(_ number: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21408,
      message: "Permission to send an SMS has not been enabled for the region indicated by the "
        + "'To' number: \(number).")
  }

  static func notRoutable(to: String, from: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21612,
      message: "The 'To' phone number: \(to), is not currently reachable using the 'From' phone "
        + "number: \(from) via SMS.")
  }

  static func notMobile(_ number: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21614, message: "'To' number is not a valid mobile number: \(number)")
  }

  static func queueFull(_ number: String) -> TwilioError {
    TwilioError(
      status: 400, code: 21611,
      message: "This 'From' number \(number) has exceeded the maximum number of queued messages")
  }

  static func invalidStatusCallback(_ url: String) -> TwilioError {
    TwilioError(status: 400, code: 21609, message: "The StatusCallback URL \(url) is not valid.")
  }
}
