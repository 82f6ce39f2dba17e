import BinaryCoding
import Domain
import EventLog
import Testing

@testable import Application

/// That the state which decides is the state that reading the log again gives.
enum ReplayProof {
  /// What is cleaned up lazily, and so has other bytes for the same content: what is asked of it is compared elsewhere.
  private static let unordered: Set<String> = [
    "timers", "lanes", "turns", "ordinal", "receipts", "firstReceipt",
  ]

  static func check(
    _ org: TestOrg, _ comment: String = "", at location: SourceLocation = #_sourceLocation
  ) async throws {
    // A house that is down decides nothing.
    guard let executor = try? org.executor else { return }
    while true {
      let live = try await executor.withState { state in
        (state.nextOrgSequence, Result { try parts(of: state) })
      }
      let read = try BookLoader(log: org.house.log, snapshots: nil).load(org.id)
      // What was open before a person's key was destroyed is known to who read it then, and has no effect.
      guard Array(read.contacts.withErasure).isEmpty else { return }
      let expected = try parts(of: read)
      // Something is being decided, or was and is not told yet.
      guard live.0 == read.nextOrgSequence,
        try live.1.get()["lastPosition"] == expected["lastPosition"]
      else {
        try await Task.sleep(for: .milliseconds(1))
        continue
      }
      for (name, bytes) in try live.1.get() {
        #expect(
          bytes == expected[name], "\(comment) \(name) differs from the log",
          sourceLocation: location)
      }
      return
    }
  }

  private static func parts(of state: OrgState) throws -> [String: [UInt8]] {
    try bytes(of: state).merging(bytes(of: state.queue)) { own, _ in own }
  }

  private static func bytes(of value: Any) throws -> [String: [UInt8]] {
    var parts: [String: [UInt8]] = [:]
    for child in Mirror(reflecting: value).children {
      guard let name = child.label, name != "queue", !unordered.contains(name),
        let value = child.value as? any Encodable
      else { continue }
      parts[name] = try BinaryCoding.canonicalBytes(of: value)
    }
    return parts
  }
}
