import Synchronization
import Vault

/// The log as any process reads it, beside the writer or without one. Writes nothing.
package final class LMDBLogReader: EventReader {
  let store: LogStore
  private let follower: HeadFollower

  /// Opens the log. Without `rootKey`, the file `root.key` of the directory is used. Whoever waits for the log to grow is woken by the
  /// writer, and looks by itself every `pollNanos` besides.
  ///
  /// - Throws: `.storage` where `directory` has no log yet; create it by opening the writer once.
  package init(
    directory: String, rootKey: (any RootKey)? = nil, pollNanos: Int64 = 1_000_000_000
  ) throws(EventLogError) {
    let folder = LogFolder(path: directory)
    guard try folder.hasLog() else {
      throw .storage(reason: "there is no event log in this directory")
    }
    store = try LogStore.open(
      folder, mapBytes: 1 << 20, rootKey: try folder.rootKey(rootKey, mayCreate: false))
    do throws(EventLogError) {
      let word = try WakeWord(path: folder.wakePath, isWriter: false)
      _ = try store.openingHead(word)
      follower = HeadFollower(store: store, word: word, pollNanos: pollNanos)
    } catch {
      store.close()
      throw error
    }
  }

  deinit { follower.close() }

  /// Ends all waiting and lets go of the map. Idempotent; reading afterwards throws `.closed`.
  package func close() { follower.close() }

  package func head() throws(EventLogError) -> UInt64 { try store.head() }

  package func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    try store.read(after: position, limit: limit, filter: filter)
  }

  package func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    try store.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
  }

  package func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    try store.readOrg(org, from: orgSequence, limit: limit)
  }

  package func orgs() throws(EventLogError) -> [OrgID: UInt64] { try store.orgCounts() }

  /// Asks the vault for the key of every org that has events, and returns how many there are.
  ///
  /// - Throws: `.keyMissing` or `.wrongRootKey` where one does not open: nothing of that org can be proven or opened then.
  package func requireOrgKeys() throws(EventLogError) -> Int {
    let orgs = try orgs().keys
    try mappingErrors {
      for org in orgs {
        guard case .available = try store.vault.key(.org(org.value)) else {
          throw EventLogError.keyMissing(position: 0)
        }
      }
    }
    return orgs.count
  }

  package func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try store.receipt(org: org, key: idempotencyKey)
  }

  package func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await follower.wait(beyond: position, timeoutMillis: timeoutMillis)
  }
}

/// Turns the wake word into woken tasks: one thread of its own, asleep in the kernel while the log does
/// not grow. Started by the first wait.
final class HeadFollower: Sendable {
  private struct State {
    var isStarted = false
    var isClosed = false
  }

  private let store: LogStore
  private let word: WakeWord
  private let pollNanos: Int64
  private let waiters = HeadWaiters(head: 0)
  private let state = Mutex(State())

  init(store: LogStore, word: WakeWord, pollNanos: Int64) {
    self.store = store
    self.word = word
    self.pollNanos = pollNanos
  }

  func wait(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    let head = try store.head()
    if head > position || timeoutMillis <= 0 { return head }
    startOnce()
    return try await waiters.wait(beyond: position, timeoutMillis: timeoutMillis)
  }

  func close() {
    let isFirst = state.withLock { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    guard isFirst else { return }
    waiters.close()
    word.wakeAll()
    store.close()
  }

  private func startOnce() {
    let isFirst = state.withLock { state in
      defer { state.isStarted = true }
      return !state.isStarted && !state.isClosed
    }
    guard isFirst else { return }
    BackgroundThread.start { self.follow() }
  }

  private var isClosed: Bool { state.withLock { $0.isClosed } }

  private func follow() {
    while !isClosed {
      // The word is read first: growth between the two reads changes it, and the wait returns.
      let seen = word.value
      do throws(EventLogError) {
        waiters.advance(to: try store.head())
      } catch {
        // Nothing to announce: whoever waits finds out by its own read, after its timeout.
        if isClosed { return }
      }
      word.wait(whileEqualTo: seen, nanos: pollNanos)
    }
  }
}
