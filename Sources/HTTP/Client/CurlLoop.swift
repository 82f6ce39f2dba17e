import Synchronization

/// The queue between the callers' tasks and curl's thread.
final class CurlLoop: Sendable {
  enum Command: Sendable {
    case start(Transfer)
    case cancel(UInt64)
    case readOn(UInt64)
    case close
  }

  let curl: CurlMulti
  private let queue = Mutex(Queue())

  private struct Queue {
    var commands: [Command] = []
    var isClosed = false
  }

  init(curl: CurlMulti) { self.curl = curl }

  /// False after `close`.
  @discardableResult
  func submit(_ command: Command) -> Bool {
    let isOpen = queue.withLock { queue in
      guard !queue.isClosed else { return false }
      queue.commands.append(command)
      if case .close = command { queue.isClosed = true }
      return true
    }
    if isOpen { curl.wakeUp() }
    return isOpen
  }

  /// Runs on a thread of its own until `close`.
  func run() {
    var running = CurlTransfers(curl: curl)
    var isClosing = false
    while !isClosing {
      for command in takeCommands() {
        switch command {
        case .start(let transfer): running.start(transfer)
        case .cancel(let id): running.end(id, .cancelled)
        case .readOn(let id): running.readOn(id)
        case .close: isClosing = true
        }
      }
      if isClosing { break }
      running.step()
    }
    running.endAll(.clientClosed)
  }

  private func takeCommands() -> [Command] {
    queue.withLock { queue in
      defer { queue.commands = [] }
      return queue.commands
    }
  }
}

/// The transfers under way, on curl's thread.
struct CurlTransfers {
  let curl: CurlMulti
  private var transfers: [UInt64: CurlEasy] = [:]
  private let clock = ContinuousClock()
  private var headDeadlines: [UInt64: ContinuousClock.Instant] = [:]

  init(curl: CurlMulti) { self.curl = curl }

  mutating func start(_ transfer: Transfer) {
    do {
      let easy = try CurlEasy(transfer)
      try curl.add(easy)
      transfers[transfer.id] = easy
    } catch {
      transfer.finish(error)
      return
    }
    if transfer.isStream {
      headDeadlines[transfer.id] = clock.now + .milliseconds(transfer.request.timeoutMillis)
    }
  }

  mutating func end(_ id: UInt64, _ reason: HTTPClientError.Reason?) {
    headDeadlines[id] = nil
    guard let easy = transfers.removeValue(forKey: id) else { return }
    curl.remove(easy)
    easy.transfer.finish(reason)
  }

  mutating func endAll(_ reason: HTTPClientError.Reason) {
    for id in Array(transfers.keys) { end(id, reason) }
  }

  func readOn(_ id: UInt64) { transfers[id]?.unpause() }

  /// Lets curl work, then waits until there is more to do or somebody calls `wakeUp`.
  mutating func step() {
    curl.perform()
    while let (id, reason) = curl.nextFinished() { end(id, reason) }
    endOverdue()
    curl.wait(timeoutMillis: waitMillis())
  }

  /// A stream's time is for its head only, which is not one of curl's own limits.
  private mutating func endOverdue() {
    guard !headDeadlines.isEmpty else { return }
    let now = clock.now
    for (id, deadline) in headDeadlines {
      if transfers[id]?.transfer.hasHead != false {
        headDeadlines[id] = nil
      } else if deadline <= now {
        end(id, .timeout)
      }
    }
  }

  private func waitMillis() -> Int32 {
    guard let next = headDeadlines.values.min() else { return 60_000 }
    let (seconds, attoseconds) = (next - clock.now).components
    let millis = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    return Int32(clamping: max(0, millis) + 1)
  }
}
