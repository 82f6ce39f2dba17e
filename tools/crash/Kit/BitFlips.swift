import EventLog
import Foundation
import JSON

/// Bits of a log's files that flip, one at a time: each is detected, or changes nothing; none is served.
///
/// The reading is done by another process, since LMDB's own pages have no checksums: what ends that process is
/// detected, for it served nothing.
package struct BitFlips {
  package var tool: String
  package var flipCount = 300
  package var seed: UInt64 = 1

  package init(tool: String) { self.tool = tool }

  enum Verdict: String, CaseIterable { case detected, harmless, served, ended }

  package func run() async throws -> JSON {
    try await withScratch { scratch in
      let directory = scratch + "/log"
      try await fill(directory)
      let sound = try Flipper.files.map {
        try Data(contentsOf: URL(filePath: "\(directory)/\($0)"))
      }
      let outPath = scratch + "/verdicts"
      var endedCount = 0
      var done = 0
      while done < flipCount {
        let reader = try Child(
          tool: tool, ["flip", directory, outPath, String(seed), String(done), String(flipCount)])
        let ending = try reader.wait(seconds: 3_600)
        done = try Self.verdicts(outPath).count
        guard case .signal = ending else { break }
        // Noted, and on with the next. It may have died before or after it put the bit back.
        for (file, bytes) in zip(Flipper.files, sound) {
          try bytes.write(to: URL(filePath: "\(directory)/\(file)"))
        }
        try append("\(done) ended\n", outPath)
        done += 1
        endedCount += 1
      }
      let verdicts = try Self.verdicts(outPath)
      guard verdicts.count == flipCount else {
        throw CrashError("\(verdicts.count) verdicts of \(flipCount)")
      }
      if let served = verdicts.firstIndex(of: .served) {
        let text = try String(contentsOfFile: outPath, encoding: .utf8)
        throw BrokenPromise(
          "seed \(seed), flip: \(text.split(separator: "\n")[served]) (answers that changed)")
      }
      var counts = JSONObject([("check", "flips"), ("seed", .int(Int64(seed)))])
      for verdict in Verdict.allCases {
        counts[verdict.rawValue] = JSON(verdicts.filter { $0 == verdict }.count)
      }
      return .object(counts)
    }
  }

  private func append(_ line: String, _ path: String) throws {
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data(line.utf8))
    try file.close()
  }

  private static func verdicts(_ path: String) throws -> [Verdict] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    return try text.split(separator: "\n").enumerated().map { number, line in
      let fields = line.split(separator: " ")
      guard fields.count >= 2, Int(fields[0]) == number,
        let verdict = Verdict(rawValue: String(fields[1]))
      else { throw CrashError("not a line: \(line)") }
      return verdict
    }
  }

  private func fill(_ directory: String) async throws {
    let log = try LMDBEventLog(directory: directory)
    for number in 0..<150 {
      let person = SubjectID(UInt128(1 + number % 5))
      let personal =
        number % 3 == 0 ? [Part(subject: person, payload: Array("Ann \(number)".utf8))] : []
      let event = NewEvent(
        stream: StreamID(UInt128(number % 9)), type: "a.b", schemaVersion: 1,
        parts: [Part(subject: nil, payload: Array("{\"n\":\(number)}".utf8))] + personal)
      _ = try await log.append(
        GoldenLog.commit(OrgID(UInt128(1 + number % 3)), [event, event], key: "k\(number)"))
    }
    await log.close()
  }
}

/// Which bit number `n` of a seed is, and its flipping.
package struct Flipper {
  let directory: String
  let seed: UInt64
  static let files = ["log/data.mdb", "vault/data.mdb"]
  /// Without the zeros at the end of each, which LMDB has not used yet.
  private let usedByteCounts: [Int]

  package init(directory: String, seed: UInt64) throws {
    self.directory = directory
    self.seed = seed
    usedByteCounts = try Self.files.map { file in
      let url = URL(filePath: "\(directory)/\(file)")
      let bytes = try Data(contentsOf: url, options: .alwaysMapped)
      guard let last = bytes.lastIndex(where: { $0 != 0 }) else {
        throw CrashError("\(file) holds nothing")
      }
      return last + 1
    }
  }

  /// A second call puts it back.
  package func flip(_ number: Int) throws {
    var random = SeededNumbers(seed: seed &+ UInt64(number) &* 0xD1B5_4A32_D192_ED03)
    let chosen = Int.random(in: 0..<4, using: &random) == 0 ? 1 : 0
    let file = Self.files[chosen]
    let handle = try FileHandle(forUpdating: URL(filePath: "\(directory)/\(file)"))
    let bit = UInt64.random(in: 0..<UInt64(usedByteCounts[chosen]) * 8, using: &random)
    try handle.seek(toOffset: bit / 8)
    guard var byte = try handle.read(upToCount: 1)?.first else {
      throw CrashError("\(file) ends early")
    }
    byte ^= 1 << UInt8(bit % 8)
    try handle.seek(toOffset: bit / 8)
    try handle.write(contentsOf: [byte])
    try handle.close()
  }
}

/// The process that reads a log with a flipped bit in every way there is, and compares with what it was.
package struct FlippedReader {
  let directory: String
  let outPath: String

  package init(directory: String, outPath: String) {
    self.directory = directory
    self.outPath = outPath
  }

  /// Everything that the log answers; nil where it refused.
  private struct Answers: Equatable {
    var answers: [String?] = []

    mutating func ask(_ question: () throws -> String) {
      do { answers.append(try question()) } catch { answers.append(nil) }
    }
  }

  package func run(seed: UInt64, flips: Range<Int>) throws {
    let descriptor = unsafe open(outPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CrashError("\(outPath) cannot be written") }
    defer { close(descriptor) }
    let sound = answers()
    guard !sound.answers.contains(nil) else {
      throw CrashError("the log is damaged before any flip")
    }
    let flipper = try Flipper(directory: directory, seed: seed)
    var progress = CheckProgress("flips", of: flips.upperBound)
    for number in flips {
      try flipper.flip(number)
      let damaged = answers()
      try flipper.flip(number)
      let verdict = Self.verdict(damaged, sound)
      let line = Array("\(number) \(verdict.rawValue) \(Self.differences(damaged, sound))\n".utf8)
      guard unsafe write(descriptor, line, line.count) == line.count else {
        throw CrashError("\(outPath) cannot be written")
      }
      progress.tell(number + 1)
    }
  }

  /// The questions, by number, that got another answer than before.
  private static func differences(_ damaged: Answers, _ sound: Answers) -> [Int] {
    zip(damaged.answers, sound.answers).enumerated().filter { $1.0 != nil && $1.0 != $1.1 }
      .map(\.offset)
  }

  private static func verdict(_ damaged: Answers, _ sound: Answers) -> BitFlips.Verdict {
    if damaged == sound { return .harmless }
    let isServed = zip(damaged.answers, sound.answers).contains { $0 != nil && $0 != $1 }
    return isServed ? .served : .detected
  }

  private func answers() -> Answers {
    var answers = Answers()
    let reader: LMDBLogReader
    do {
      reader = try LMDBLogReader(directory: directory)
    } catch {
      // Not even that: one answer where a sound log gives many.
      return Answers(answers: [nil])
    }
    defer { reader.close() }
    answers.ask { String(try reader.head()) }
    answers.ask { try EventDigest.of(reader).finish() }
    answers.ask {
      try reader.orgs().sorted { $0.key < $1.key }.map { "\($0.key.value):\($0.value)" }
        .joined(separator: " ")
    }
    for after in stride(from: UInt64(0), to: 300, by: 37) {
      answers.ask { try Self.text(Self.read(reader, after: after, .all)) }
      answers.ask {
        let filter = EventFilter(org: OrgID(2), types: ["a.b"])
        return try Self.text(Self.read(reader, after: after, filter))
      }
    }
    for org in 1...3 {
      askAbout(OrgID(UInt128(org)), reader, &answers)
    }
    return answers
  }

  private func askAbout(_ org: OrgID, _ reader: LMDBLogReader, _ answers: inout Answers) {
    answers.ask { try Self.text(reader.readOrg(org, from: 0, limit: .max)) }
    for stream in 0..<9 {
      let id = StreamID(UInt128(stream))
      answers.ask {
        try Self.text(
          reader.readStream(org: org, stream: id, from: 1, limit: .max, direction: .forwards))
      }
      answers.ask {
        try Self.text(
          reader.readStream(org: org, stream: id, from: .max, limit: 3, direction: .backwards))
      }
    }
    for number in stride(from: 0, to: 150, by: 13) {
      answers.ask {
        let receipt = try reader.receipt(
          org: org, idempotencyKey: GoldenLog.key("k\(number)"))
        return receipt.map { "\($0.firstPosition) \($0.firstOrgSequence)" } ?? "none"
      }
    }
  }

  /// The next five events that match, over as many pages as it takes: a damaged block ends a page early.
  private static func read(
    _ reader: LMDBLogReader, after start: UInt64, _ filter: EventFilter
  ) throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    var position = start
    while events.count < 5 {
      let page = try reader.read(after: position, limit: 5, filter: filter)
      events += page.events
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
    return Array(events.prefix(5))
  }

  private static func text(_ events: [RecordedEvent]) -> String {
    var digest = EventDigest()
    for event in events { digest.add(event) }
    return "\(events.count) \(digest.finish())"
  }
}
