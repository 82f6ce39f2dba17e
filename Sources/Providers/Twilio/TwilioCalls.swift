import Application
import Domain
import HTTP
import JSON

// Twilio's Calls API. Source: Twilio's OpenAPI description of the 2010 API.

extension TwilioProvider {
  func place(_ call: OutboundCall) async -> SendOutcome {
    do throws(HTTPClientError) {
      let answer = try await client.send(Self.creation(of: call, timeoutMillis: timeoutMillis))
      return TwilioAnswer.outcome(
        status: answer.status, headers: answer.headers, body: answer.body)
    } catch {
      return Self.outcome(of: error)
    }
  }

  /// Calls carry no mark of ours: those between the two numbers since then.
  func find(
    _ call: OutboundCall, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    let filter = FormCoding.encode([
      QueryItem(name: "To", value: call.to), QueryItem(name: "From", value: call.from),
      QueryItem(name: "PageSize", value: "100"),
    ])
    let request = Self.request(
      "GET", "\(Self.callsPath(call.credentials))?\(filter)", call.credentials,
      timeoutMillis: timeoutMillis)
    let answer: ClientResponse
    do throws(HTTPClientError) {
      answer = try await client.send(request)
    } catch {
      throw .unreachable(reason: error.code)
    }
    guard answer.status == 200 else {
      throw TwilioAnswer.error(
        status: answer.status, headers: answer.headers, body: answer.body)
    }
    return try Self.calls(answer.body).filter {
      $0.createdAtMicros >= sinceMicros - sinceMicros % 1_000_000
    }
  }

  private static func calls(_ body: [UInt8]) throws(ProviderError) -> [ProviderMessage] {
    guard let items = (try? JSON(parsing: body))?["calls"]?.array else {
      throw .malformed(detail: "no calls")
    }
    var calls: [ProviderMessage] = []
    for item in items {
      guard let sid = item["sid"]?.string,
        let created = item["date_created"]?.string.flatMap(RFC2822Date.micros(parsing:))
      else { throw .malformed(detail: "a call without sid or date_created") }
      calls.append(
        ProviderMessage(
          providerID: sid, from: item["from"]?.string ?? "", to: item["to"]?.string ?? "", body: "",
          status: .accepted, errorCode: nil, call: result(item), createdAtMicros: created))
    }
    return calls
  }

  /// nil while the call goes on. The list has the words of the callbacks under names of its own.
  private static func result(_ item: JSON) -> CallResult? {
    TwilioWebhooks.result([
      "CallStatus": item["status"]?.string ?? "", "CallDuration": item["duration"]?.string ?? "",
      "AnsweredBy": item["answered_by"]?.string ?? "",
    ])
  }

  static func callsPath(_ credentials: SMSCredentials) -> String {
    "/2010-04-01/Accounts/\(PercentCoding.encode(credentials.accountSID))/Calls.json"
  }

  /// A machine is let finish its greeting, so that what is left on it is heard whole.
  static func creation(of call: OutboundCall, timeoutMillis: Int) -> ClientRequest {
    let form = [
      QueryItem(name: "To", value: call.to), QueryItem(name: "From", value: call.from),
      QueryItem(name: "Url", value: call.instructionsURL),
      QueryItem(name: "StatusCallback", value: call.statusCallbackURL),
      QueryItem(name: "StatusCallbackEvent", value: "initiated"),
      QueryItem(name: "StatusCallbackEvent", value: "completed"),
      QueryItem(name: "MachineDetection", value: "DetectMessageEnd"),
      QueryItem(name: "Timeout", value: "30"),
      QueryItem(name: "TimeLimit", value: String(call.maxMinutes * 60)),
    ]
    var request = request(
      "POST", callsPath(call.credentials), call.credentials, timeoutMillis: timeoutMillis)
    request.headers["Content-Type"] = FormCoding.contentType
    request.body = Array(FormCoding.encode(form).utf8)
    return request
  }
}
