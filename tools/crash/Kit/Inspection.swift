import EventLog
import Foundation

/// Looks at a log whose writer has died, as the next writer does: that it opens, and that every promise was kept.
package struct Inspection {
  package let directory: String
  package let acknowledgementPath: String
  private var position: UInt64 = 0
  /// Position by name, of all commits seen so far.
  private var names: [String: UInt64] = [:]
  private var digest = EventDigest()
  /// The digest of everything up to a position, for those that tailers have named.
  private var digests: [UInt64: String] = [:]
  package private(set) var slowestOpenMillis = 0.0
  package private(set) var unknownCount = 0
  package private(set) var ackedCount = 0

  package init(directory: String, acknowledgementPath: String) {
    self.directory = directory
    self.acknowledgementPath = acknowledgementPath
  }

  package var eventCount: UInt64 { position }

  /// - Throws: `BrokenPromise`, or what opening and reading throws.
  package mutating func inspect(isDeep: Bool = false) async throws {
    let start = SystemClock.monotonicNanos()
    let log = try LMDBEventLog(directory: directory)
    slowestOpenMillis = max(
      slowestOpenMillis, Double(SystemClock.monotonicNanos() - start) / 1e6)
    do {
      try readOn(log)
      try compareAcknowledgements()
      if isDeep { try verify(log) }
    } catch {
      await log.close()
      throw error
    }
    await log.close()
  }

  private mutating func readOn(_ log: LMDBEventLog) throws {
    while true {
      let page = try log.read(after: position, limit: 500, filter: .all)
      for event in page.events { try take(event) }
      guard page.scannedTo > position || !page.events.isEmpty else { break }
    }
    guard try log.head() == position else {
      throw BrokenPromise("the head is \(try log.head()), and \(position) events can be read")
    }
  }

  private mutating func take(_ event: RecordedEvent) throws {
    guard event.position == position + 1 else {
      throw BrokenPromise("position \(event.position) follows \(position)")
    }
    position = event.position
    digest.add(event)
    digests[position] = digest.finish()
    guard event.type == "a.b", case .opened(nil, let payload)? = event.parts.first else { return }
    let name = String(decoding: payload, as: UTF8.self)
    guard names.updateValue(position, forKey: name) == nil else {
      throw BrokenPromise("\(name) is there twice")
    }
  }

  private mutating func compareAcknowledgements() throws {
    let book = try Acknowledgements.read(acknowledgementPath)
    ackedCount = book.acked.count
    unknownCount = book.unknownCount
    for (name, position) in book.acked where names[name] != position {
      throw BrokenPromise("\(name) was acknowledged at \(position) and is not there")
    }
  }

  private func verify(_ log: LMDBEventLog) throws {
    let report = try log.verify(isDeep: true)
    guard report.isSound else {
      throw BrokenPromise("verify: \(report.problems.prefix(3))")
    }
  }

  /// What a tailer saw is a prefix of the log.
  package func compare(_ steps: [TailingProcess.Step]) throws {
    for step in steps where digests[step.position] != step.digest {
      throw BrokenPromise("a tailer saw another history up to \(step.position)")
    }
  }
}
