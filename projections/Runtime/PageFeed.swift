internal import Domain
internal import EventCodec
internal import EventLog
import Foundation
import Synchronization

/// One pass over the log for several consumers: read and decoded once, on a thread of its own, a few
/// pages ahead of the slowest.
///
/// `@unchecked Sendable`: everything that changes is guarded by `condition`.
final class PageFeed: @unchecked Sendable {
  /// A consumer's seat.
  struct Place: Sendable {
    let feed: PageFeed
    let consumer: Int
    let cancellation: Cancellation
    let budget: RowBudget

    func next() throws -> Batch? {
      try cancellation.check()
      return try feed.next(for: consumer)
    }

    func leave() { feed.leave(consumer) }
  }

  private let reader: any EventReader
  private let end: UInt64
  private let types: Set<String>?
  private let condition = NSCondition()
  private var pages: [Int: Batch] = [:]
  private var producedCount = 0
  /// Pages that each consumer has taken; a consumer that gave up is left out.
  private var takenCounts: [Int: Int]
  private var isOver = false
  private var failure: ProjectionError?

  /// Decoded events of a page; a page of rows to come is a few megabytes.
  private static let pageLimit = 10_000
  private static let windowCount = 3

  /// Feeds the events up to `end`.
  init(
    reader: any EventReader, end: UInt64, types: Set<String>?, consumerCount: Int
  ) {
    self.reader = reader
    self.end = end
    self.types = types
    takenCounts = Dictionary(uniqueKeysWithValues: (0..<consumerCount).map { ($0, 0) })
    let thread = Thread { [self] in produce() }
    thread.name = "log-feed"
    thread.start()
  }

  /// The consumer's next page; nil at the end. Blocks.
  func next(for consumer: Int) throws(ProjectionError) -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let failure { throw failure }
      guard let taken = takenCounts[consumer] else { throw .cancelled }
      if let page = pages[taken] {
        takenCounts[consumer] = taken + 1
        dropTaken()
        return page
      }
      if isOver { return nil }
      condition.wait()
    }
  }

  /// The consumer takes no more pages; the others go on.
  func leave(_ consumer: Int) {
    condition.lock()
    takenCounts[consumer] = nil
    dropTaken()
    condition.unlock()
  }

  private func dropTaken() {
    let slowest = takenCounts.values.min() ?? producedCount
    pages = pages.filter { $0.key >= slowest }
    condition.broadcast()
  }

  private func produce() {
    var position: UInt64 = 0
    do throws(ProjectionError) {
      while position < end, waitForRoom() {
        let page = try Batch.read(reader, after: position, limit: Self.pageLimit, types: types)
        guard page.end > position else { throw .gap(expected: position + 1, found: position) }
        position = page.end
        put(page.prefix(through: end))
      }
      finish(nil)
    } catch {
      finish(error)
    }
  }

  /// False where nobody reads any more.
  private func waitForRoom() -> Bool {
    condition.lock()
    defer { condition.unlock() }
    while !takenCounts.isEmpty, pages.count >= Self.windowCount { condition.wait() }
    return !takenCounts.isEmpty
  }

  private func put(_ page: Batch) {
    condition.lock()
    pages[producedCount] = page
    producedCount += 1
    condition.broadcast()
    condition.unlock()
  }

  private func finish(_ error: ProjectionError?) {
    condition.lock()
    isOver = true
    failure = error
    condition.broadcast()
    condition.unlock()
  }
}

/// Somebody does not want it any more.
final class Cancellation: Sendable {
  private let isRequested = Atomic(false)

  func request() { isRequested.store(true, ordering: .relaxed) }

  /// - Throws: `ProjectionError.cancelled`.
  func check() throws(ProjectionError) {
    if isRequested.load(ordering: .relaxed) { throw .cancelled }
  }
}
