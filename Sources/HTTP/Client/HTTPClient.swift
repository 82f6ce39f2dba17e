import Foundation
import Synchronization

/// An HTTP/1.1 client with a pool of connections. One thread serves any number of requests;
/// cancelling the task that waits ends its request.
///
///     let client = HTTPClient()
///     let response = try await client.send(ClientRequest(url: "http://127.0.0.1:8080/healthz"))
package final class HTTPClient: Sendable {
  fileprivate let loop: CurlLoop
  private let settings: HTTPClientSettings
  private let nextID = Atomic<UInt64>(1)

  package init(settings: HTTPClientSettings = HTTPClientSettings()) {
    self.settings = settings
    loop = CurlLoop(curl: CurlMulti(settings: settings))
    // It waits for most of its life: a queue's threads are few, and for work.
    Thread.detachNewThread { [loop] in
      CurlMulti.blockSignals()
      loop.run()
    }
  }

  deinit { close() }

  /// Ends what is under way with `.clientClosed`; so does every request after it. Safe to repeat.
  package func close() { loop.submit(.close) }

  /// The whole answer, whatever its status.
  package func send(_ request: ClientRequest) async throws(HTTPClientError) -> ClientResponse {
    let transfer = try start(request, isStream: false)
    let result = await withTaskCancellationHandler {
      await Self.result { () async throws(HTTPClientError) in try await transfer.response() }
    } onCancel: {
      loop.submit(.cancel(transfer.id))
    }
    return try result.get()
  }

  /// The head of the answer; its body as it arrives.
  package func stream(_ request: ClientRequest) async throws(HTTPClientError) -> ClientStream {
    let transfer = try start(request, isStream: true)
    let reader = StreamReader(transfer: transfer, client: self)
    let result = await withTaskCancellationHandler {
      await Self.result { () async throws(HTTPClientError) in try await transfer.head() }
    } onCancel: {
      loop.submit(.cancel(transfer.id))
    }
    let head = try result.get()
    return ClientStream(
      status: head.status, headers: head.headers,
      body: AsyncThrowingStream { try await reader.next() })
  }

  private func start(
    _ request: ClientRequest, isStream: Bool
  ) throws(HTTPClientError) -> Transfer {
    let transfer = Transfer(
      id: nextID.wrappingAdd(1, ordering: .relaxed).oldValue, request: request,
      settings: settings, isStream: isStream)
    guard loop.submit(.start(transfer)) else { throw .notSent(.clientClosed) }
    return transfer
  }

  /// Carries a typed error through functions that would forget its type.
  private static func result<Value>(
    _ body: () async throws(HTTPClientError) -> Value
  ) async -> Result<Value, HTTPClientError> {
    do throws(HTTPClientError) {
      return .success(try await body())
    } catch {
      return .failure(error)
    }
  }
}

/// Reads one body; ends the transfer when nobody reads any more.
private final class StreamReader: Sendable {
  let transfer: Transfer
  /// Held so that the client is not closed while its answer is read.
  let client: HTTPClient

  init(transfer: Transfer, client: HTTPClient) {
    self.transfer = transfer
    self.client = client
  }

  deinit { client.loop.submit(.cancel(transfer.id)) }

  func next() async throws -> [UInt8]? {
    try await withTaskCancellationHandler {
      try await transfer.nextBytes { client.loop.submit(.readOn(transfer.id)) }
    } onCancel: {
      client.loop.submit(.cancel(transfer.id))
    }
  }
}
