import EventLog
import Foundation
import JSON

/// Bits of a log's files that flip, one at a time: each is detected, or changes nothing; none is served. The log has everything that the
/// format knows (`GoldenLog`).
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
      try await GoldenLog.write(to: directory)
      let files = try Flipper.files(directory)
      let sound = try files.map {
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
        for (file, bytes) in zip(files, sound) {
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
}

/// Which bit number `n` of a seed is, and its flipping.
package struct Flipper {
  let directory: String
  let seed: UInt64
  private let files: [String]
  /// Without the zeros at the end of each, which LMDB has not used yet.
  private let usedByteCounts: [Int]

  package init(directory: String, seed: UInt64) throws {
    self.directory = directory
    self.seed = seed
    files = try Self.files(directory)
    usedByteCounts = try files.map { file in
      let url = URL(filePath: "\(directory)/\(file)")
      let bytes = try Data(contentsOf: url, options: .alwaysMapped)
      guard let last = bytes.lastIndex(where: { $0 != 0 }) else {
        throw CrashError("\(file) holds nothing")
      }
      return last + 1
    }
  }

  /// The log's and the vault's, of which an erasure has made another one.
  static func files(_ directory: String) throws -> [String] {
    let current = directory + "/vault/current"
    guard FileManager.default.fileExists(atPath: current) else {
      throw CrashError("nobody was erased in \(directory)")
    }
    let generation = try String(contentsOfFile: current, encoding: .utf8)
    return ["log/data.mdb", "vault/keys.\(generation)/data.mdb"]
  }

  /// A second call puts it back.
  package func flip(_ number: Int) throws {
    var random = SeededNumbers(seed: seed &+ UInt64(number) &* 0xD1B5_4A32_D192_ED03)
    let chosen = Int.random(in: 0..<4, using: &random) == 0 ? 1 : 0
    let file = files[chosen]
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
