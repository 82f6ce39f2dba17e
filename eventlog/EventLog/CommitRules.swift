/// What a commit must keep to, whatever stores it. Checked before anything else, so that neither the
/// byte layout nor the Merkle leaf can meet a value that it has no room for.
package enum CommitRules {
  /// A commit is one message for replication (NATS' ceiling is 64 MiB) and one group's worth of memory.
  package static let maxCommitBytes = 16 << 20
  package static let maxEventCount = 65_535
  package static let maxPartBytes = 4 << 20
  package static let maxPartCount = 255
  package static let maxTypeBytes = 64
  /// Actor, origin and correlation: one length byte each.
  package static let maxContextBytes = 255

  /// The bytes of all payloads.
  ///
  /// - Throws: `.invalidCommit` with the first rule that `commit` breaks.
  @discardableResult
  package static func check(_ commit: Commit) throws(EventLogError) -> Int {
    guard !commit.events.isEmpty else { throw .invalidCommit(reason: "no events") }
    guard commit.events.count <= maxEventCount else {
      throw .invalidCommit(reason: "more than \(maxEventCount) events")
    }
    try check(commit.context)
    var byteCount = 0
    for event in commit.events { byteCount += try check(event) }
    guard byteCount <= maxCommitBytes else {
      throw .invalidCommit(reason: "more than \(maxCommitBytes) bytes")
    }
    return byteCount
  }

  private static func check(_ context: CommitContext) throws(EventLogError) {
    guard context.actor.utf8.count <= maxContextBytes,
      context.origin.utf8.count <= maxContextBytes,
      context.correlation.utf8.count <= maxContextBytes
    else { throw .invalidCommit(reason: "a context field over \(maxContextBytes) bytes") }
  }

  private static func check(_ event: NewEvent) throws(EventLogError) -> Int {
    let type = event.type.utf8
    guard !type.isEmpty, type.count <= maxTypeBytes, type.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else { throw .invalidCommit(reason: "a type that is not 1 to 64 printable ASCII bytes") }
    let parts = event.parts
    guard !parts.isEmpty, parts.count <= maxPartCount else {
      throw .invalidCommit(reason: "not 1 to \(maxPartCount) parts")
    }
    var byteCount = 0
    for index in parts.indices {
      guard (parts[index].subject == nil) == (index == 0), parts[index].subject?.value != 0 else {
        throw .invalidCommit(
          reason: "part 0 is the org's, every other part has a subject, which is not 0")
      }
      guard parts[index].payload.count <= maxPartBytes else {
        throw .invalidCommit(reason: "a part over \(maxPartBytes) bytes")
      }
      byteCount += parts[index].payload.count
    }
    return byteCount
  }
}

extension ExpectedVersion {
  /// Whether a stream at `version` (0: it has no events) is what the caller decided upon.
  package func accepts(_ version: UInt64) -> Bool {
    switch self {
    case .any: true
    case .noStream: version == 0
    case .exactly(let expected): version == expected
    }
  }
}
