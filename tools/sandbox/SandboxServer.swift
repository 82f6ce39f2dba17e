import HTTP
import Synchronization

/// The world outside, on loopback: Twilio's and SendGrid's APIs, phones, mailboxes and the people who hold them.
///
///     let sandbox = try SandboxServer(port: 8090, dataDirectory: "var/sandbox")
///     await sandbox.run()
package final class SandboxServer: Sendable {
  package static let host = "127.0.0.1"
  /// As long as an API call takes at most; a sandbox that ends has no reason to wait longer.
  static let stopGraceMillis = 1000

  /// The port it listens on, also where 0 was asked for.
  package var port: Int { server.port }
  /// What to give to the adapters as their base URL, and to a browser.
  package var url: String { "http://\(Self.host):\(port)" }

  private let server: HTTPServer
  private let delivery: Delivery
  private let outbox: Outbox
  private let visitor = HTTPClient()
  private let store: Store
  private let stopped = Stopped()

  /// Takes up what an earlier sandbox left in `dataDirectory`; listens when it returns.
  package init(port: Int, dataDirectory: String) throws(SandboxError) {
    let store = try Store(directory: dataDirectory)
    let delivery = Delivery(store: store)
    let outbox = Outbox(store: store)
    let routes = Routes(
      twilio: TwilioAPI(
        store: store, delivery: delivery, calls: CallAPI(store: store, outbox: outbox)),
      sendGrid: SendGridAPI(store: store, outbox: outbox),
      stripe: StripeAPI(store: store, outbox: outbox),
      control: ControlAPI(
        store: store, delivery: delivery, outbox: outbox,
        mail: MailControl(store: store, outbox: outbox, client: visitor)))
    do throws(HTTPError) {
      server = try HTTPServer(host: Self.host, port: port) { await routes.answer($0) }
    } catch {
      throw .server(error)
    }
    self.delivery = delivery
    self.outbox = outbox
    self.store = store
    Task {
      await delivery.resume()
      await outbox.wake()
    }
  }

  /// Returns when `stop` has been called, by anybody, and everything has ended.
  package func run() async { await stopped.wait() }

  /// Answers what is under way, then ends. What has not been delivered goes out after the next start.
  package func stop() async {
    await server.stop(graceMillis: Self.stopGraceMillis)
    await delivery.stop()
    await outbox.stop()
    visitor.close()
    store.close()
    stopped.set()
  }
}

private struct Routes: Sendable {
  let twilio: TwilioAPI
  let sendGrid: SendGridAPI
  let stripe: StripeAPI
  let control: ControlAPI

  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    if request.rawPath.hasPrefix("/2010-04-01/") { return await twilio.answer(request) }
    if request.rawPath.hasPrefix("/v1/") { return await stripe.answer(request) }
    if request.rawPath.hasPrefix("/v3/") { return await sendGrid.answer(request) }
    if request.rawPath.hasPrefix("/sandbox/") { return await control.answer(request) }
    if request.method == "GET", let page = Page.answer(request.path) { return page }
    return ControlAPI.failure(404, "There is nothing at \(request.path).")
  }
}

/// A flag that is set once and can be waited for.
private final class Stopped: Sendable {
  private struct State {
    var isSet = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func set() {
    let waiters = state.withLock { state in
      state.isSet = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isSet = state.withLock { state in
        if !state.isSet { state.waiters.append(continuation) }
        return state.isSet
      }
      if isSet { continuation.resume() }
    }
  }
}
