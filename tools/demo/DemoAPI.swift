import HTTP
import JSON
import Synchronization

/// The demo's HTTP client: JSON in and out, an error for anything but success.
struct DemoAPI: Sendable {
  let baseURL: String
  private let operatorToken: String
  private let apiKey: String?
  private let client: HTTPClient
  private let seen = LastPosition()

  /// The log position of the last write: reads wait for it.
  private final class LastPosition: Sendable {
    private let value = Mutex<UInt64>(0)
    func raise(to position: UInt64) { value.withLock { $0 = max($0, position) } }
    var position: UInt64 { value.withLock { $0 } }
  }

  init(baseURL: String, operatorToken: String) {
    self.init(
      baseURL: baseURL, operatorToken: operatorToken, apiKey: nil, client: HTTPClient())
  }

  private init(baseURL: String, operatorToken: String, apiKey: String?, client: HTTPClient) {
    self.baseURL = baseURL
    self.operatorToken = operatorToken
    self.apiKey = apiKey
    self.client = client
  }

  func with(apiKey: String) -> DemoAPI {
    DemoAPI(baseURL: baseURL, operatorToken: operatorToken, apiKey: apiKey, client: client)
  }

  /// Creates an account as the operator, with room for the demo's own requests and for scripts.
  func operation(_ body: JSON) async throws -> JSON {
    var object = body.object ?? JSONObject()
    object["rate_limit"] = ["per_minute": 1_000_000, "burst": 2_000_000]
    return try await send(
      "POST", "/api/operator/accounts", .object(object), token: operatorToken)
  }

  @discardableResult
  func post(_ path: String, _ body: JSON, key: String? = nil) async throws -> JSON {
    try await send("POST", path, body, token: apiKey, idempotencyKey: key)
  }

  func get(_ path: String) async throws -> JSON {
    try await send("GET", path, nil, token: apiKey)
  }

  func publish(workflow source: String) async throws -> JSON {
    try await send("POST", "/api/workflows", ["source": .string(source)], token: apiKey)
  }

  private func send(
    _ method: String, _ path: String, _ body: JSON?, token: String?,
    idempotencyKey: String? = nil
  ) async throws -> JSON {
    var headers: HTTPHeaders = ["accept": "application/json"]
    if body != nil { headers.set("content-type", "application/json") }
    if let token { headers.set("authorization", "Bearer \(token)") }
    if let idempotencyKey { headers.set("idempotency-key", idempotencyKey) }
    if method == "GET", seen.position > 0 {
      headers.set("min-position", String(seen.position))
    }
    let response = try await answer(
      ClientRequest(
        method: method, url: baseURL + path, headers: headers, body: body?.bytes() ?? [],
        timeoutMillis: Self.timeoutMillis))
    guard (200..<300).contains(response.status) else {
      throw DemoError.refused(
        path: path, status: response.status,
        body: String(decoding: response.body, as: UTF8.self))
    }
    if let position = response.headers["log-position"].flatMap(UInt64.init) {
      seen.raise(to: position)
    }
    return response.body.isEmpty ? .null : try JSON(parsing: response.body)
  }

  /// Sends the request. A read waits for as long as the read models are behind: on a home with a large log
  /// they are folded from its beginning first.
  private func answer(_ request: ClientRequest) async throws -> ClientResponse {
    for _ in 0..<Self.patienceSeconds {
      let response = try await client.send(request)
      guard request.method == "GET", response.status == 503 else { return response }
      try await Task.sleep(for: .seconds(1))
    }
    return try await client.send(request)
  }

  /// An advanced clock answers once two weeks of sending are done: on a busy machine half a minute is not enough.
  private static let timeoutMillis = 300_000

  /// Each try takes a second and the server's own wait.
  private static let patienceSeconds = 900

  /// Asks again and again until `isDone`.
  func wait(
    for what: String, _ path: String, until isDone: (JSON) -> Bool
  ) async throws -> JSON {
    for _ in 0..<600 {
      let answer = try await get(path)
      if isDone(answer) { return answer }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw DemoError.timedOut(what)
  }
}
