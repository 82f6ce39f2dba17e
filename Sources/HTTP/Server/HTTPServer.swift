import Dispatch
import Foundation
import Synchronization

/// An HTTP/1.1 server. Two threads serve any number of connections; each request's handler runs in a
/// task of its own, which is cancelled when the client of a stream goes away, or of a request that waits for something
/// to happen. Any other client that goes away before there is an answer is not noticed: the handler runs to its end.
///
///     let server = try HTTPServer(host: "127.0.0.1", port: 0) { _ in .text(200, "hello") }
///     await server.stop(graceMillis: 5000)
package final class HTTPServer: Sendable {
  package typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse
  package typealias ErrorResponder = @Sendable (HTTPServerFault) -> HTTPResponse
  package typealias Brevity = @Sendable (HTTPRequest) -> Bool
  package typealias Patience = @Sendable (HTTPRequest) -> Bool
  /// What a request may bring, by its head; its `body` is empty.
  package typealias Allowance = @Sendable (HTTPRequest) -> BodyAllowance

  /// The port it listens on, also where 0 was asked for.
  package let port: Int
  package let host: String
  private let core: ServerCore
  private let daemon: MicroHTTPD
  private let acceptor: Acceptor
  private let stopping = Mutex<Task<Void, Never>?>(nil)

  /// Listens when it returns. `errorResponder` answers what never reaches `handler`: too large a
  /// body, bad framing; it must answer with bytes, a valid status and valid headers. `isBrief` tells requests
  /// that take a fraction of a millisecond beside what they wait for: they are handled on the connection's
  /// thread, and the others of that thread after them. `isPatient` tells requests that wait for something to
  /// happen: when the server stops they are cancelled, and answer with what there is; and when their client hangs up, or
  /// closes its side alone. `allowance` is asked before
  /// a body is taken, on the connection's thread; without it everybody may bring as much as the limits say.
  ///
  /// - Throws: `HTTPError`, with nothing left open.
  package init(
    host: String, port: Int, limits: HTTPLimits = HTTPLimits(), tls: HTTPTLS? = nil,
    errorResponder: @escaping ErrorResponder = { $0.defaultResponse },
    isBrief: @escaping Brevity = { _ in false }, isPatient: @escaping Patience = { _ in false },
    allowance: Allowance? = nil,
    handler: @escaping Handler
  ) throws(HTTPError) {
    let listener = try Listener(host: host, port: port)
    self.host = host
    self.port = listener.port
    let core: ServerCore
    let daemon: MicroHTTPD
    do throws(HTTPError) {
      core = try ServerCore(
        limits: limits, handler: handler, errorResponder: errorResponder, isBrief: isBrief,
        isPatient: isPatient,
        allowance: allowance
          ?? { _ in BodyAllowance(limitBytes: limits.maxBodyBytes, sender: "anybody") })
      daemon = try MicroHTTPD(tls: tls, core: core)
    } catch {
      listener.close()
      throw error
    }
    self.core = core
    self.daemon = daemon
    acceptor = Acceptor(listener, core: core) { daemon.add($0) }
    Thread.detachNewThread { core.runMonitor() }
  }

  /// Closes new connections at once, lets running requests end within the grace, then cancels what
  /// is left. Returns when every connection is closed. A second call waits for the first.
  package func stop(graceMillis: Int) async {
    let task = stopping.withLock { task in
      if let task { return task }
      let started = Task { [core, daemon, acceptor] in
        await Self.stop(acceptor, daemon, core, graceMillis: graceMillis)
      }
      task = started
      return started
    }
    await task.value
  }

  deinit {
    // Nobody can stop it any more; what runs is dropped.
    guard stopping.withLock({ $0 == nil }) else { return }
    Task { [core, daemon, acceptor] in
      await Self.stop(acceptor, daemon, core, graceMillis: 0)
    }
  }

  private static func stop(
    _ acceptor: Acceptor, _ daemon: MicroHTTPD, _ core: ServerCore, graceMillis: Int
  ) async {
    core.beginStopping()
    if graceMillis > 0 { await core.drain(graceMillis: graceMillis) }
    core.abortAll()
    await withCheckedContinuation { continuation in
      // Joins threads: not on a thread of the concurrency pool.
      DispatchQueue(label: "http.stop").async {
        acceptor.stop()
        daemon.stop()
        continuation.resume()
      }
    }
  }
}
