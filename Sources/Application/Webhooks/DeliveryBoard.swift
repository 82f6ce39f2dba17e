import Domain
import Synchronization

/// Where webhook deliveries stand and how the latest went, for people who look: in memory, and the
/// deliveries on disk too, so that a restart loses none. What counts (cursors, failures) is in files
/// and in the log.
package final class DeliveryBoard: Sendable {
  package struct Delivery: Sendable, Equatable {
    package var event: Identifier
    package var type: String
    package var position: UInt64
    package var attempt: Int
    package var atMicros: Micros
    package var tookMillis: Int64
    package var url: String
    /// nil where there was no answer.
    package var status: Int?
    package var error: String?
    /// The beginning of what the subscriber answered.
    package var response: String
    package var isRedelivery: Bool
    /// Whether it waited while the endpoint was paused or disabled.
    package var isBackfill = false
    /// How its body looked: from this and the event it can be made again. nil: sent before this was kept.
    package var style: WebhookEndpoint.Style?
    /// The contacts that its event is about, whose erasure takes what was answered along. nil: not known.
    package var people: Set<Identifier>?

    package var isTaken: Bool { status.map { (200..<300).contains($0) } ?? false }
  }

  package struct Standing: Sendable, Equatable {
    /// The last position before which everything is dealt with.
    package var position: UInt64 = 0
    /// Attempts that failed for the oldest event that waits for another.
    package var failureCount = 0
    package var retryAtMicros: Micros?
    /// Events that are under way, wait for another attempt, or wait behind one that does.
    package var waitingCount = 0
    /// Whether so many attempts failed in a row that only one at a time is made.
    package var isCircuitOpen = false

    package init() {}

    init(
      position: UInt64, failureCount: Int, retryAtMicros: Micros?, waitingCount: Int,
      isCircuitOpen: Bool
    ) {
      self.position = position
      self.failureCount = failureCount
      self.retryAtMicros = retryAtMicros
      self.waitingCount = waitingCount
      self.isCircuitOpen = isCircuitOpen
    }
  }

  private struct Book {
    var standing = Standing()
    /// The latest, oldest first.
    var deliveries: [Delivery] = []
    /// How many there ever were, as far as the archive knows: the number of the newest.
    var count = 0
    var lineCount = 0
    var isLoaded = false
  }

  private struct State {
    /// Attempts since the start, by whether they were taken.
    var attempts: [Bool: Int] = [:]
    var archive: DeliveryArchive?
    var books: [Identifier: Book] = [:]
    /// Who was forgotten since the start: an attempt may have been under way.
    var forgotten: Set<Identifier> = []
    var forgettingCount = 0
  }

  private static let keptCount = DeliveryArchive.lineLimit
  private let state = Mutex(State())

  package init() {}

  /// From now on deliveries are kept in `directory`, and those that are there are known.
  func keep(in directory: String) throws {
    let archive = try DeliveryArchive(directory: directory)
    state.withLock { $0.archive = archive }
  }

  /// Reads what the archive has of an endpoint, once.
  func load(_ endpoint: Identifier) {
    state.withLock { state in
      guard let archive = state.archive, state.books[endpoint]?.isLoaded != true else { return }
      let (deliveries, lineCount) = archive.read(endpoint)
      var book = state.books[endpoint] ?? Book()
      book.deliveries = (deliveries + book.deliveries).suffix(Self.keptCount)
      book.count += deliveries.count
      book.lineCount = lineCount
      book.isLoaded = true
      state.books[endpoint] = book
    }
  }

  /// Attempts since the start that the subscriber took, or did not take.
  package func attemptCount(taken: Bool) -> Int {
    state.withLock { $0.attempts[taken] ?? 0 }
  }

  package func standing(of endpoint: Identifier) -> Standing? {
    state.withLock { $0.books[endpoint]?.standing }
  }

  /// Every endpoint that deliveries were made to, or tried.
  package var standings: [Identifier: Standing] {
    state.withLock { $0.books.mapValues(\.standing) }
  }

  /// The latest, oldest first: each with its number, which counts up.
  package func deliveries(of endpoint: Identifier) -> [(number: Int, delivery: Delivery)] {
    load(endpoint)
    return state.withLock { state in
      guard let book = state.books[endpoint] else { return [] }
      let first = book.count - book.deliveries.count + 1
      return book.deliveries.enumerated().map { (first + $0.offset, $0.element) }
    }
  }

  /// - Throws: Where the archive cannot be written; the delivery is known until the next start then.
  func note(_ delivery: Delivery, of endpoint: Identifier) throws {
    try state.withLock { state in
      var delivery = delivery
      delivery.forgetAnswer(about: state.forgotten)
      state.attempts[delivery.isTaken, default: 0] += 1
      var book = state.books[endpoint] ?? Book()
      defer { state.books[endpoint] = book }
      book.deliveries.append(delivery)
      book.count += 1
      // Twice as many for a while, so that the array moves seldom.
      if book.deliveries.count > Self.keptCount * 2 {
        book.deliveries.removeFirst(book.deliveries.count - Self.keptCount)
      }
      guard let archive = state.archive else { return }
      book.lineCount = try archive.append(delivery, of: endpoint, lineCount: book.lineCount)
    }
  }

  /// Another one after each erasure: what was read in the log before may say more than the log does now.
  var forgettingCount: Int { state.withLock { $0.forgettingCount } }

  /// Nothing that a subscriber answered about these contacts is kept, here or on disk. Can be repeated. For when their keys
  /// are destroyed, and before anybody is told so.
  ///
  /// - Throws: Where a file cannot be rewritten; it is as it was then.
  func forgetAnswers(about contacts: Set<Identifier>, to endpoints: [Identifier]) throws {
    try state.withLock { state in
      state.forgotten.formUnion(contacts)
      state.forgettingCount += 1
      for endpoint in endpoints {
        for index in state.books[endpoint]?.deliveries.indices ?? 0..<0 {
          state.books[endpoint]?.deliveries[index].forgetAnswer(about: contacts)
        }
        try state.archive?.rewrite(endpoint) { $0.forgetAnswer(about: contacts) }
      }
    }
  }

  func show(_ standing: Standing, of endpoint: Identifier) {
    state.withLock { $0.books[endpoint, default: Book()].standing = standing }
  }
}

extension DeliveryBoard.Delivery {
  /// Subscribers may say what they were told: where nobody knows whom it was about, it may have been anybody.
  fileprivate mutating func forgetAnswer(about contacts: Set<Identifier>) {
    guard !contacts.isEmpty, people?.isDisjoint(with: contacts) != true else { return }
    response = ""
  }
}
