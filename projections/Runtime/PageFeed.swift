internal import Domain
internal import EventCodec
internal import EventLog
import Foundation
import Synchronization

/// One pass over the log for several consumers: read and decoded once, on threads of its own, a few pages
/// ahead of the slowest.
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
  /// By number: page n holds the positions after n × `pageLimit`, `pageLimit` of them.
  private var pages: [Int: Batch] = [:]
  /// Pages that a thread has, or is about to, put.
  private var begunCount = 0
  /// Pages that each consumer has taken; a consumer that gave up is left out.
  private var takenCounts: [Int: Int]
  private var failure: ProjectionError?

  /// Positions of a page; a page of events to come is a few megabytes.
  private static let pageLimit = 8_192
  /// One consumer folds while the threads read: more than cores would only take memory.
  private static let threadCount = min(4, max(2, ProcessInfo.processInfo.activeProcessorCount))
  private static let windowCount = threadCount + 2

  private let pageCount: Int

  /// Feeds the events up to `end`.
  init(
    reader: any EventReader, end: UInt64, types: Set<String>?, consumerCount: Int
  ) {
    self.reader = reader
    self.end = end
    self.types = types
    pageCount = (Int(end) + Self.pageLimit - 1) / Self.pageLimit
    takenCounts = Dictionary(uniqueKeysWithValues: (0..<consumerCount).map { ($0, 0) })
    for number in 0..<min(Self.threadCount, pageCount) {
      let thread = Thread { [self] in produce() }
      thread.name = "log-feed-\(number)"
      thread.start()
    }
  }

  /// The consumer's next page; nil at the end. Blocks.
  func next(for consumer: Int) throws(ProjectionError) -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let failure { throw failure }
      guard let taken = takenCounts[consumer] else { throw .cancelled }
      if taken == pageCount { return nil }
      if let page = pages[taken] {
        takenCounts[consumer] = taken + 1
        dropTaken()
        return page
      }
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
    let slowest = takenCounts.values.min() ?? pageCount
    pages = pages.filter { $0.key >= slowest }
    condition.broadcast()
  }

  private func produce() {
    do throws(ProjectionError) {
      while let number = begin() { put(try read(number), number) }
    } catch {
      condition.lock()
      failure = error
      condition.broadcast()
      condition.unlock()
    }
  }

  /// The number of the next page that nobody reads yet; nil where there is none, or nobody to read for.
  private func begin() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      guard let slowest = takenCounts.values.min(), begunCount < pageCount, failure == nil else {
        return nil
      }
      if begunCount < slowest + Self.windowCount {
        begunCount += 1
        return begunCount - 1
      }
      condition.wait()
    }
  }

  private func read(_ number: Int) throws(ProjectionError) -> Batch {
    let start = UInt64(number * Self.pageLimit)
    let end = min(self.end, start + UInt64(Self.pageLimit))
    var page = try Batch.read(reader, after: start, limit: Self.pageLimit, types: types)
      .prefix(through: end)
    while page.end < end {
      let rest = try Batch.read(reader, after: page.end, limit: Self.pageLimit, types: types)
      guard rest.end > page.end else { throw .gap(expected: page.end + 1, found: page.end) }
      page.append(rest.prefix(through: end))
    }
    return page
  }

  private func put(_ page: Batch, _ number: Int) {
    condition.lock()
    pages[number] = page
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
