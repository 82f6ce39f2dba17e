import EventLog
import Foundation
import Merkle
import Testing

@testable import Application

/// The log of the heads that were given out: it only grows, and the server that keeps it does not.
@Suite struct InstanceLogTests {
  private let signer: NoteSigner

  init() throws {
    signer = try CheckpointKey(name: "ledger.example", seed: [UInt8](repeating: 1, count: 32))
      .instanceSigner(incarnation: 1)
  }

  private func texts(_ count: Int, origins: Int) -> [String] {
    (0..<count).map { number in
      Checkpoint(
        origin: "ledger.example/i1/org/\(number % origins)", size: UInt64(number),
        root: MerkleTree.leafHash(Array("\(number)".utf8))
      ).text
    }
  }

  private static func bytes(_ texts: some Sequence<String>) -> [UInt8] {
    texts.flatMap { [UInt8($0.utf8.count >> 8), UInt8($0.utf8.count & 255)] + $0.utf8 }
  }

  /// The log that a process finds which begins with `texts`.
  private func withLog(_ texts: [String], _ body: (inout InstanceLog) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "instance-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try Data(Self.bytes(texts)).write(to: URL(filePath: directory + "/entries"))
    var log = try InstanceLog(directory: directory, signer: signer)
    try body(&log)
  }

  /// Goal: what is read from the file is what was in memory. Method: sizes about those at which tiles fill, the last entry added to
  /// the opened log; every origin's proof, its heads, and bundles of every width.
  @Test(arguments: [1, 2, 255, 256, 257, 511, 512, 513, 700])
  func `every head is proven and every entry given out, whatever the size`(count: Int) throws {
    let texts = texts(count, origins: 7)
    try withLog(Array(texts.dropLast())) { log in
      try log.append(texts[count - 1])
      #expect(log.size == UInt64(count))
      for origin in 0..<min(7, count) {
        let name = "ledger.example/i1/org/\(origin)"
        let own = texts.enumerated().filter { $0.offset % 7 == origin }.map(\.element)
        let newest = try #require(try log.newestHead(of: name))
        #expect(newest.text == own.last)
        #expect(try log.heads(of: name).map(\.text) == own.suffix(65))
        let proof = try #require(try log.proof(of: name))
        let isValid = try proof.isValid(for: Array(newest.text.utf8), verifier: signer.verifier)
        #expect(isValid && texts[Int(proof.index)] == newest.text)
      }
      for first in stride(from: 0, to: count, by: 256) {
        let present = min(256, count - first)
        for width in [1, present / 2 + 1, present] {
          #expect(
            try log.entryBundle(UInt64(first / 256), width: width)
              == Self.bytes(texts[first..<min(first + width, count)]))
        }
        #expect(try log.entryBundle(UInt64(first / 256), width: present + 1) == nil)
      }
      #expect(try log.entryBundle(UInt64(count / 256 + 1), width: 1) == nil)
    }
  }

  /// Goal: memory does not grow by every head that was ever given out. Method: all that collections in the log hold.
  @Test func `a log of many entries keeps few of them in memory`() throws {
    try withLog(texts(20_000, origins: 3)) { log in
      #expect(log.size == 20_000)
      #expect(Self.elementCount(log) < 1_000)
    }
  }

  private static func elementCount(_ value: Any) -> Int {
    let mirror = Mirror(reflecting: value)
    let isCollection = [.collection, .dictionary, .set].contains(mirror.displayStyle)
    return mirror.children.reduce(isCollection ? mirror.children.count : 0) {
      $0 + elementCount($1.value)
    }
  }

  /// What was changed behind the log's back is not passed on as what was signed.
  @Test func `an entry that was changed in the file is not proven`() throws {
    let texts = texts(300, origins: 300)
    try withLog(texts) { log in
      let path = log.directory + "/entries"
      var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      bytes[40] ^= 1
      try Data(bytes).write(to: URL(filePath: path))
      #expect(throws: NotaryError.instanceLogDamaged) {
        try log.proof(of: "ledger.example/i1/org/7")
      }
      #expect(throws: NotaryError.instanceLogDamaged) {
        _ = try InstanceLog(directory: log.directory, signer: signer)
      }
    }
  }
}
