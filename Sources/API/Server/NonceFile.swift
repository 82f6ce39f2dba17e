import Foundation

/// Nonces of signed requests whose timestamps are ahead of our clock, a line each: `<seconds> <hex>`. They are good
/// until that time comes, also after a start in between.
package struct NonceFile: Sendable {
  private let path: String
  private let report: @Sendable (String) -> Void

  /// `report`: one line about what could not be written.
  package init(path: String, report: @escaping @Sendable (String) -> Void) {
    self.path = path
    self.report = report
  }

  /// Those of after `seconds`, which are what the file then has. The last line may be half of one, where a crash cut it
  /// off: nobody was admitted by it.
  func load(since seconds: Int64) throws -> [String: Int64] {
    var nonces: [String: Int64] = [:]
    if FileManager.default.fileExists(atPath: path) {
      let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard words.count == 2, let time = Int64(words[0]), time > seconds else { continue }
        nonces[String(words[1])] = time
      }
    }
    try write(nonces)
    return nonces
  }

  /// On disk when it returns; false where it is not.
  func append(_ nonce: String, _ time: Int64) -> Bool {
    do {
      let handle = try FileHandle(forWritingTo: URL(filePath: path))
      defer { try? handle.close() }
      try handle.seekToEnd()
      // What an append before it may have left half-written ends here.
      try handle.write(contentsOf: Data("\n\(time) \(nonce)\n".utf8))
      try handle.synchronize()
      return true
    } catch {
      report("a signed request could not be remembered: \(error)")
      return false
    }
  }

  /// Leaves those alone that still count. Where that fails, the file has more than it needs.
  func replace(_ nonces: [String: Int64]) {
    do {
      try write(nonces)
    } catch {
      report("the signed requests could not be written anew: \(error)")
    }
  }

  private func write(_ nonces: [String: Int64]) throws {
    let text = nonces.map { "\($0.value) \($0.key)\n" }.joined()
    try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
  }
}
