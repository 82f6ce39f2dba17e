import Crypto
import Foundation
import JSON
import Merkle

/// Checks an exported book offline: the signature, that no leaf is missing or moved, what was opened, what
/// was erased, older heads, single proofs, and every other file against the signed manifest.
package struct AuditBundle {
  package struct Report: Sendable, Equatable {
    package var origin = ""
    package var size: UInt64 = 0
    package var scope = ""
    package var openingCount = 0
    package var erasedPartCount = 0
    /// Neither opened nor erased: not asked for, or a credential.
    package var withheldPartCount = 0
    package var proofCount = 0
    package var olderHeadCount = 0
    /// Histories of the book that the book tells of, oldest first.
    package var restores: [Restore] = []
    /// Whether the key came by another road than the bundle. Without, the bundle is sound in itself, and
    /// anybody can have made it.
    package var isAuthenticated = false
    /// At most 100.
    package var problems: [String] = []

    package var isSound: Bool { problems.isEmpty }
  }

  /// Where another history of the book begins.
  package struct Restore: Sendable, Equatable {
    package let incarnation: Int64
    /// Its first event.
    package let sequence: UInt64
    package let reason: String
    /// Events of the history before that are in no book any more, as far as the last checkpoint of it that is quoted tells.
    package let lostEventCount: UInt64
  }

  let directory: String
  private let verifierKey: String?
  private let olderNotes: [String]
  var report = Report()

  /// `verifierKey`: of the account's log; nil: the one that the bundle names, which proves nothing about who
  /// made it. `olderNotes`: signed checkpoints that were kept elsewhere.
  package init(directory: String, verifierKey: String? = nil, olderNotes: [String] = []) {
    self.directory = directory
    self.verifierKey = verifierKey
    self.olderNotes = olderNotes
  }

  /// Never throws over what the bundle says: whatever is wrong is in the report.
  package mutating func verify() -> Report {
    do {
      try check()
    } catch let error as AuditError {
      note(error.description)
    } catch let error as NoteError {
      note(error.reason)
    } catch {
      note("\(error)")
    }
    return report
  }

  mutating func note(_ problem: String) {
    if report.problems.count < 100 { report.problems.append(problem) }
  }

  private mutating func check() throws {
    let policy = try BundlePolicy(text("policy"))
    let verifier = try NoteVerifier(verifierKey: verifierKey ?? policy.logKey)
    report.isAuthenticated = verifierKey != nil
    if policy.logKey != verifier.verifierKey { note("policy: names another key") }
    let head = try named("checkpoint") {
      try Checkpoint(text: try verifier.open(try text("checkpoint")))
    }
    if head.origin != verifier.name { note("checkpoint: is of another log") }
    report.origin = head.origin
    report.size = head.size
    let manifest = try named("manifest") {
      try BundleManifest(text: try verifier.open(try text("manifest")))
    }
    checkManifest(manifest, head)
    let kept = try olderNotes.map { note in
      try named("kept checkpoint") {
        try Checkpoint(text: try verifier.ofHistory(of: note).open(note))
      }
    }
    try checkBook(manifest, head, kept: kept)
    try checkProofs(verifier)
    try checkOlderHeads(verifier, head)
    try checkInstance(policy, verifier, head)
  }

  private mutating func checkManifest(_ manifest: BundleManifest, _ head: Checkpoint) {
    report.scope = manifest.scope
    if manifest.origin != head.origin { note("manifest: is of another log") }
    if manifest.size != head.size { note("manifest: is of another head") }
    let present = Set(fileNames())
    for name in present.subtracting(manifest.files.keys).subtracting(BundleManifest.unlisted) {
      note("\(name): is not in the manifest")
    }
    for (name, digest) in manifest.files.sorted(by: { $0.key < $1.key }) {
      guard let bytes = try? bytes(name) else {
        note("\(name): is missing")
        continue
      }
      if Hex.encode(SHA256.hash(bytes)) != digest { note("\(name): is not what the manifest says") }
    }
  }
}

// MARK: - Files

extension AuditBundle {
  func bytes(_ name: String) throws -> [UInt8] {
    guard !name.split(separator: "/").contains("..") else {
      throw AuditError.unreadable(file: name, reason: "leaves the folder")
    }
    guard let data = FileManager.default.contents(atPath: directory + "/" + name) else {
      throw AuditError.unreadable(file: name, reason: "is missing")
    }
    return [UInt8](data)
  }

  func text(_ name: String) throws -> String {
    guard let text = String(validating: try bytes(name), as: UTF8.self) else {
      throw AuditError.unreadable(file: name, reason: "is not UTF-8")
    }
    return text
  }

  /// Every file of the folder, by its path in it.
  func fileNames() -> [String] {
    guard let names = FileManager.default.enumerator(atPath: directory) else { return [] }
    return names.compactMap { $0 as? String }.filter { name in
      let attributes = try? FileManager.default.attributesOfItem(atPath: directory + "/" + name)
      return attributes?[.type] as? FileAttributeType != .typeDirectory
    }
  }

  func named<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as NoteError {
      throw AuditError.unreadable(file: name, reason: error.reason)
    }
  }
}

/// `log <key of the org's log>`, `log <key of the instance log>`, `quorum none`.
struct BundlePolicy {
  let logKey: String
  let instanceKey: String?

  init(_ text: String) throws(AuditError) {
    var keys: [String] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      if words.count >= 2, words[0] == "log" { keys.append(String(words[1])) }
    }
    guard let first = keys.first else {
      throw .unreadable(file: "policy", reason: "names no log")
    }
    logKey = first
    instanceKey = keys.count > 1 ? keys[1] : nil
  }
}

/// What the signed manifest says.
struct BundleManifest {
  /// They vouch for themselves.
  static let unlisted: Set<String> = ["manifest", "checkpoint", "checkpoint.tsr"]

  let origin: String
  let size: UInt64
  let scope: String
  let opensCredentials: Bool
  let files: [String: String]

  /// Whether every part has to be opened or erased.
  var isComplete: Bool { scope == "account" && opensCredentials }

  init(text: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    guard lines.count >= 6,
      let origin = Self.value(lines[0], "daybook.bundle/v1"),
      let size = Self.value(lines[1], "size").flatMap({ UInt64($0) }),
      let scope = Self.value(lines[2], "scope"),
      let credentials = Self.value(lines[3], "credentials")
    else { throw AuditError.unreadable(file: "manifest", reason: "is not a bundle's manifest") }
    self.origin = origin
    self.size = size
    self.scope = scope
    opensCredentials = credentials == "opened"
    var files: [String: String] = [:]
    for line in lines.dropFirst(6) {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, words[0].utf8.count == 64 else {
        throw AuditError.unreadable(file: "manifest", reason: "has a line that names no file")
      }
      files[String(words[1])] = String(words[0])
    }
    self.files = files
  }

  private static func value(_ line: Substring, _ name: String) -> String? {
    line.hasPrefix(name + " ") ? String(line.dropFirst(name.count + 1)) : nil
  }
}
