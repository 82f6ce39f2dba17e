import Foundation
import HTTP
import JSON
import Synchronization

/// A client of the HTTP API, or of the sandbox: JSON in and out.
///
/// Reads ask for what the same client has written before (`Min-Position`).
struct API: Sendable {
  let baseURL: String
  private let token: String?
  private let client: HTTPClient
  private let written = LastPosition()

  private final class LastPosition: Sendable {
    private let value = Mutex<UInt64>(0)
    func raise(to position: UInt64) { value.withLock { $0 = max($0, position) } }
    var position: UInt64 { value.withLock { $0 } }
  }

  init(baseURL: String, token: String?, client: HTTPClient = HTTPClient()) {
    self.baseURL = baseURL
    self.token = token
    self.client = client
  }

  func with(token: String) -> API { API(baseURL: baseURL, token: token, client: client) }

  /// Where this client's last write is in the log.
  var writtenPosition: UInt64 { written.position }

  // MARK: Any answer

  func send(
    _ method: String, _ path: String, _ body: JSON? = nil, headers extra: HTTPHeaders = [:]
  ) async throws -> Answer {
    var headers: HTTPHeaders = [:]
    if body != nil { headers.set("content-type", "application/json") }
    return try await send(method, path, bytes: body?.bytes() ?? [], headers: headers, extra)
  }

  func send(
    _ method: String, _ path: String, bytes: [UInt8], headers given: HTTPHeaders,
    _ extra: HTTPHeaders = [:]
  ) async throws -> Answer {
    let response = try await client.send(
      ClientRequest(
        method: method, url: baseURL + path, headers: complete(method, given, extra), body: bytes))
    let answer = try Answer(response)
    if let position = answer.logPosition { written.raise(to: position) }
    return answer
  }

  /// The answer's head and its body as it comes.
  func stream(_ path: String, headers extra: HTTPHeaders) async throws -> ClientStream {
    try await client.stream(
      ClientRequest(url: baseURL + path, headers: complete("GET", [:], extra)))
  }

  private func complete(
    _ method: String, _ given: HTTPHeaders, _ extra: HTTPHeaders
  ) -> HTTPHeaders {
    var headers = given
    if let token { headers.set("authorization", "Bearer \(token)") }
    if method == "GET", written.position > 0 {
      headers.set("min-position", String(written.position))
    }
    for field in extra { headers.set(field.name, field.value) }
    return headers
  }

  // MARK: Expected answers

  /// Asks again while read models have not come to what this client wrote: on a busy machine that is no fault.
  func get(_ path: String) async throws -> JSON {
    let deadline = ContinuousClock.now + .seconds(60)
    while true {
      let answer = try await send("GET", path)
      guard answer.errorCode == "read_model_behind", ContinuousClock.now < deadline else {
        return try answer.json(200)
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Every object of a list, page after page.
  func all(_ path: String) async throws -> [JSON] {
    var items: [JSON] = []
    var cursor: String?
    repeat {
      let separator = path.contains("?") ? "&" : "?"
      let after = cursor.map { "&after=" + percentEncoded($0) } ?? ""
      let page = try await get("\(path)\(separator)limit=200\(after)")
      items += page["data"]?.array ?? []
      cursor = page["has_more"]?.bool == true ? page["next"]?.string : nil
    } while cursor != nil
    return items
  }

  /// A write under an idempotency key of its own.
  @discardableResult
  func post(
    _ path: String, _ body: JSON = [:], key: String = UUID().uuidString, expecting status: Int = 201
  ) async throws -> JSON {
    try await send("POST", path, body, headers: ["idempotency-key": key]).json(status)
  }
}

/// What a server answered.
struct Answer: Sendable {
  let status: Int
  let headers: HTTPHeaders
  let body: [UInt8]
  /// `null` where the body is empty or no JSON.
  let json: JSON

  init(_ response: ClientResponse) throws {
    status = response.status
    headers = response.headers
    body = response.body
    let isJSON = headers["content-type"]?.hasPrefix("application/json") == true
    json = isJSON && !body.isEmpty ? try JSON(parsing: body) : .null
  }

  var logPosition: UInt64? { headers["log-position"].flatMap { UInt64($0) } }

  /// The machine-readable reason of a refusal.
  var errorCode: String? { json["error"]?["code"]?.string }

  /// The body, where the status is the expected one.
  @discardableResult
  func json(_ expected: Int) throws -> JSON {
    guard status == expected else { throw UnexpectedAnswer(answer: self, expected: expected) }
    return json
  }
}

struct UnexpectedAnswer: Error, CustomStringConvertible {
  let answer: Answer
  let expected: Int

  var description: String {
    "status \(answer.status) instead of \(expected): "
      + String(decoding: answer.body.prefix(600), as: UTF8.self)
  }
}

/// `text` as the value of a query parameter.
func percentEncoded(_ text: String) -> String {
  text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
}
