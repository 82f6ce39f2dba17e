import Domain
import Foundation
import JSON

/// What this home was restored from, in a file of its own. Written by `daybook restore`, read at every start: what was
/// sent after the backup was made is not in the log, and must not go out again.
package struct RestoreRecord: Sendable, Equatable {
  package var restoredAtMicros: Micros
  /// The last event that was restored, and when the log had taken it.
  package var head: UInt64
  package var dataUpToMicros: Micros
  package var incarnation: UInt32
  /// Why, in the words of whoever restored it; nil: nothing was said.
  package var reason: String?
  /// nil: sending is on hold.
  package var releasedAtMicros: Micros?

  package init(
    restoredAtMicros: Micros, head: UInt64, dataUpToMicros: Micros, incarnation: UInt32,
    reason: String? = nil, releasedAtMicros: Micros? = nil
  ) {
    self.restoredAtMicros = restoredAtMicros
    self.head = head
    self.dataUpToMicros = dataUpToMicros
    self.incarnation = incarnation
    self.reason = reason
    self.releasedAtMicros = releasedAtMicros
  }

  package var isHeld: Bool { releasedAtMicros == nil }

  package var json: JSON {
    [
      "state": .string(isHeld ? "held" : "released"), "restored_at_micros": .int(restoredAtMicros),
      "head": .int(Int64(head)), "data_up_to_micros": .int(dataUpToMicros),
      "incarnation": JSON(Int(incarnation)), "reason": JSON(reason),
      "released_at_micros": JSON(releasedAtMicros),
    ]
  }

  /// nil where the home was never restored.
  ///
  /// - Throws: Where the file is there and cannot be read: going on would send what must not be sent.
  package static func read(_ path: String) throws -> RestoreRecord? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let json = try JSON(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    guard let restored = json["restored_at_micros"]?.int,
      let head = json["head"]?.int.flatMap(UInt64.init(exactly:)),
      let dataUpTo = json["data_up_to_micros"]?.int,
      let incarnation = json["incarnation"]?.int.flatMap(UInt32.init(exactly:))
    else { throw CocoaError(.fileReadCorruptFile) }
    return RestoreRecord(
      restoredAtMicros: restored, head: head, dataUpToMicros: dataUpTo, incarnation: incarnation,
      reason: json["reason"]?.string, releasedAtMicros: json["released_at_micros"]?.int)
  }

  /// Replaces the file in one step.
  package func write(to path: String) throws {
    try Data(json.bytes()).write(to: URL(fileURLWithPath: path), options: .atomic)
  }
}
