import EventLog

/// Reads stored events as this program reads them, upcasters and all, and keeps what fails: run over a whole
/// log before a deployment, it says what the new program could not read after it.
package struct Rehearsal: Sendable {
  /// Events of one type and schema version that fail in one way.
  package struct Failure: Sendable, Equatable {
    package let type: String
    package let schemaVersion: UInt16
    /// Of the first one.
    package let position: UInt64
    package let reason: String
    package fileprivate(set) var count: UInt64
  }

  /// What the log holds of one type in one schema version.
  package struct Kind: Sendable, Hashable, Comparable {
    package let type: String
    package let schemaVersion: UInt16

    package static func < (left: Kind, right: Kind) -> Bool {
      (left.type, left.schemaVersion) < (right.type, right.schemaVersion)
    }
  }

  package private(set) var counts: [Kind: UInt64] = [:]
  package private(set) var failures: [Failure] = []
  package private(set) var eventCount: UInt64 = 0
  private var places: [String: Int] = [:]

  package init() {}

  package var failedCount: UInt64 { failures.reduce(0) { $0 + $1.count } }

  package mutating func take(_ recorded: RecordedEvent) {
    eventCount += 1
    counts[Kind(type: recorded.type, schemaVersion: recorded.schemaVersion), default: 0] += 1
    do throws(CodecError) {
      _ = try EventCodec.decode(recorded)
    } catch {
      note(error, recorded)
    }
  }

  private mutating func note(_ error: CodecError, _ recorded: RecordedEvent) {
    let reason = "\(error)"
    let name = "\(recorded.type) \(recorded.schemaVersion) \(reason)"
    if let place = places[name] {
      failures[place].count += 1
    } else {
      places[name] = failures.count
      failures.append(
        Failure(
          type: recorded.type, schemaVersion: recorded.schemaVersion,
          position: recorded.position, reason: reason, count: 1))
    }
  }
}
