import EventLog
import Foundation
import JSON

/// The lines of `bench/gen_events.py`, as the log would get them: one commit a line, personal fields sealed under the
/// contact. A contact belongs to the org of its first line; what the log has of its own (position, sequence, version)
/// is not said again.
enum GeneratedMix {
  private static let script = "../shared/bench/gen_events.py"
  private static let personalFields: Set<String> = ["name", "email", "phone", "to", "body", "ip"]
  /// The stream says it.
  private static let impliedFields: Set<String> = ["contact"]

  /// nil where the script or python3 is missing.
  static func commits(count: Int) throws -> [Commit]? {
    guard FileManager.default.fileExists(atPath: script) else { return nil }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", script, "\(count)"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    var orgs: [UInt128: OrgID] = [:]
    return try output.split(separator: UInt8(ascii: "\n")).map { line in
      commit(try JSON(parsing: Array(line)), &orgs)
    }
  }

  private static func commit(_ line: JSON, _ orgs: inout [UInt128: OrgID]) -> Commit {
    let contact = id(line["stream"]?.string?.dropFirst("contact-".count) ?? "")
    let org = orgs[contact] ?? OrgID(id(line["org"]?.string ?? ""))
    orgs[contact] = org
    var open = JSONWriter()
    var personal = JSONWriter()
    var isPersonal = false
    open.beginObject()
    personal.beginObject()
    for (name, value) in line["data"]?.object?.fields ?? [] where !impliedFields.contains(name) {
      if personalFields.contains(name) {
        personal.field(name, value)
        isPersonal = true
      } else {
        open.field(name, value)
      }
    }
    open.endObject()
    personal.endObject()
    var parts = [Part(subject: nil, payload: open.bytes)]
    if isPersonal { parts.append(Part(subject: SubjectID(contact), payload: personal.bytes)) }
    return Commit(
      org: org,
      events: [
        NewEvent(
          stream: StreamID(contact), type: line["type"]?.string ?? "", schemaVersion: 1,
          parts: parts)
      ],
      context: CommitContext(
        actor: line["actor"]?.string ?? "", origin: "api",
        correlation: line["correlation"]?.string ?? "",
        occurredAtMicros: (line["time"]?.int ?? 0) * 1000))
  }

  private static func id(_ uuid: some StringProtocol) -> UInt128 {
    uuid.utf8.reduce(0) { value, byte in
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return value }
      return value << 4 | UInt128(digit)
    }
  }
}
