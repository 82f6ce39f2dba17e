import Crypto
import Foundation
import HTTP
import JSON
import Synchronization

/// A subscriber's own web server: keeps every delivery that it was sent.
final class Subscriber: Sendable {
  struct Delivery: Sendable {
    let id: String
    let timestamp: String
    let signatures: [String]
    let body: [UInt8]
    let status: Int

    var json: JSON { (try? JSON(parsing: body)) ?? .null }
    var position: Int64 { json["data"]?["position"]?.int ?? 0 }

    /// Standard Webhooks: HMAC-SHA256 over `id.timestamp.body` under the secret's bytes.
    func isSigned(with secret: String) throws -> Bool {
      let key = try Base64.decode(secret.dropFirst("whsec_".count))
      let signed = Array("\(id).\(timestamp).".utf8) + body
      return signatures.contains("v1," + Base64.encode(HMACSHA256.authenticate(signed, key: key)))
    }
  }

  private final class Book: Sendable {
    private struct State {
      var deliveries: [Delivery] = []
      var refusalCount = 0
    }

    private let state = Mutex(State())

    var deliveries: [Delivery] { state.withLock { $0.deliveries } }

    func refuse(_ count: Int) { state.withLock { $0.refusalCount = count } }

    /// Keeps the delivery, and returns the status to answer it with.
    func take(_ request: HTTPRequest) -> Int {
      state.withLock { state in
        let status = state.refusalCount > 0 ? 503 : 204
        state.refusalCount = max(0, state.refusalCount - 1)
        state.deliveries.append(
          Delivery(
            id: request.headers["webhook-id"] ?? "",
            timestamp: request.headers["webhook-timestamp"] ?? "",
            signatures: (request.headers["webhook-signature"] ?? "").split(separator: " ")
              .map(String.init),
            body: request.body, status: status))
        return status
      }
    }
  }

  private let server: HTTPServer
  private let book: Book

  private init(port: Int, book: Book) throws {
    self.book = book
    server = try HTTPServer(host: "127.0.0.1", port: port) { request in
      HTTPResponse(status: book.take(request))
    }
  }

  convenience init() throws { try self.init(port: 0, book: Book()) }

  var url: String { "http://127.0.0.1:\(server.port)/hook" }

  /// Everything that arrived, also what was refused, in order.
  var attempts: [Delivery] { book.deliveries }

  /// What was taken, in order.
  var deliveries: [Delivery] { book.deliveries.filter { $0.status < 300 } }

  /// Answers the next deliveries with 503.
  func refuseNext(_ count: Int) { book.refuse(count) }

  /// Nobody listens any more.
  func stop() async { await server.stop(graceMillis: 0) }

  /// The same address and the same book, after `stop`.
  func restarted() throws -> Subscriber { try Subscriber(port: server.port, book: book) }
}
