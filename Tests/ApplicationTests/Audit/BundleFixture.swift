import Application
import Crypto
import Domain
import EventLog
import Foundation
import Merkle
import Synchronization
import Testing

/// A house on a log on disk, with what exports need.
struct ExportHouse {
  let house: House
  let log: LMDBEventLog
  let desk: ExportDesk
  let directory: String

  /// `isRunning`: its reactors send.
  static func with(
    isRunning: Bool = false, _ body: (ExportHouse) async throws -> Void
  ) async throws {
    let directory = NSTemporaryDirectory() + "bundle-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await with(home: directory, isRunning: isRunning, body)
  }

  /// In a folder that stays, on the log `name` in it.
  static func with(
    home directory: String, log name: String = "log", isRunning: Bool = false,
    _ body: (ExportHouse) async throws -> Void
  ) async throws {
    let log = try LMDBEventLog(directory: "\(directory)/\(name)")
    try await House.with(log: log, isRunning: isRunning) { house in
      let desk = try ExportDesk(
        engine: house.engine, reader: log, notary: Notary(log: log, directory: directory),
        directory: directory + "/exports", report: { Issue.record("\($0)") })
      try await body(
        ExportHouse(house: house, log: log, desk: desk, directory: directory))
    }
  }

  /// Begins and writes an export into a new folder.
  func export(
    _ scope: AuditScope = .account, number: String? = nil, of org: Identifier,
    opensCredentials: Bool = true, to name: String = "bundle"
  ) async throws -> Bundle {
    let (record, published) = try await desk.begin(
      TestOrg.call, org: org, scope: scope, opensCredentials: opensCredentials)
    return try write(record, number: number, published, of: org, to: name)
  }

  /// Writes an export that nothing in the book records.
  func write(
    _ record: AuditExportRecord, number: String? = nil, _ published: PublishedHead,
    of org: Identifier, to name: String
  ) throws -> Bundle {
    let path = directory + "/" + name
    var export = AuditExport(
      reader: log, org: org, record: record, number: number, published: published,
      signer: desk.notary.signer(of: org), directory: path)
    let summary = try export.run(nowMicros: Moment.openMicros)
    return Bundle(
      path: path, key: published.verifierKey, signer: desk.notary.signer(of: org),
      summary: summary)
  }
}

/// A written export, and ways to spoil a copy of it.
struct Bundle {
  let path: String
  let key: String
  let signer: NoteSigner
  let summary: AuditExport.Summary

  var names: [String] {
    get throws {
      try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
        try FileManager.default.attributesOfItem(atPath: path + "/" + name)[.type]
          as? FileAttributeType == .typeRegular
      }.sorted()
    }
  }

  func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path + "/" + name)))
  }

  func verify(kept: [String] = []) -> AuditBundle.Report {
    var bundle = AuditBundle(directory: path, verifierKey: key, olderNotes: kept)
    return bundle.verify()
  }

  /// A copy in which `change` was made to one file.
  func changing(
    _ name: String, to copy: String, _ change: (inout [UInt8]) throws -> Void
  ) throws -> Bundle {
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    var bytes = try bytes(name)
    try change(&bytes)
    try Data(bytes).write(to: URL(filePath: copy + "/" + name))
    return Bundle(path: copy, key: key, signer: signer, summary: summary)
  }

  /// Signs a manifest that fits the files as they are now: what only the operator could do.
  func signManifest() throws {
    let text = try signer.verifier.open(
      String(decoding: try bytes("manifest"), as: UTF8.self))
    var lines = text.split(separator: "\n").prefix(6).map(String.init)
    for name in try names where !["manifest", "checkpoint"].contains(name) {
      lines.append("\(Hex.encode(SHA256.hash(try bytes(name)))) \(name)")
    }
    try Data(try signer.sign(lines.joined(separator: "\n") + "\n").utf8)
      .write(to: URL(filePath: path + "/manifest"))
  }
}

/// A log of which something happens while the first leaves are being read.
final class InterruptedReader: EventReader, LogProver {
  private let inner: LMDBEventLog
  private let interruption = Mutex<(@Sendable () -> Void)?>(nil)

  init(_ inner: LMDBEventLog) { self.inner = inner }

  func interrupt(_ body: @escaping @Sendable () -> Void) {
    interruption.withLock { $0 = body }
  }

  func leaves(
    of org: OrgID, from first: UInt64, limit: Int
  ) throws(EventLogError) -> [OpenedLeaf] {
    let leaves = try inner.leaves(of: org, from: first, limit: limit)
    let body = interruption.withLock { interruption in
      defer { interruption = nil }
      return interruption
    }
    body?()
    return leaves
  }

  func treeHead(of org: OrgID) throws(EventLogError) -> TreeHead { try inner.treeHead(of: org) }

  func root(of org: OrgID, size: UInt64) throws(EventLogError) -> Digest {
    try inner.root(of: org, size: size)
  }

  func inclusionProof(
    of org: OrgID, orgSequence: UInt64, size: UInt64
  ) throws(EventLogError) -> [Digest] {
    try inner.inclusionProof(of: org, orgSequence: orgSequence, size: size)
  }

  func consistencyProof(
    of org: OrgID, from oldSize: UInt64, to newSize: UInt64
  ) throws(EventLogError) -> [Digest] {
    try inner.consistencyProof(of: org, from: oldSize, to: newSize)
  }

  func head() throws(EventLogError) -> UInt64 { try inner.head() }

  func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    try inner.read(after: position, limit: limit, filter: filter)
  }

  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    try inner.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
  }

  func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    try inner.readOrg(org, from: orgSequence, limit: limit)
  }

  func orgs() throws(EventLogError) -> [OrgID: UInt64] { try inner.orgs() }

  func receipt(org: OrgID, idempotencyKey: IdempotencyKey) throws(EventLogError) -> Receipt? {
    try inner.receipt(org: org, idempotencyKey: idempotencyKey)
  }

  func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await inner.waitForHead(beyond: position, timeoutMillis: timeoutMillis)
  }
}

/// The stand-alone verifier, over several folders in one process.
enum StandAlone {
  private static let folder = URL(filePath: #filePath).appending(path: "../../../../tools/verify")
    .standardized.path

  private static let program = """
    sys = __import__("sys")
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv[1])
    verify_bundle = __import__("verify_bundle")
    for folder in sys.argv[3:]:
        code = verify_bundle.main([folder, sys.argv[2]])
        print("exit", code)
    """

  /// The exit code for each folder.
  static func check(_ folders: [String], key: String) throws -> [Int] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-c", program, folder, key] + folders
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(
      decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    return text.split(separator: "\n").filter { $0.hasPrefix("exit ") }
      .compactMap { Int($0.dropFirst(5)) }
  }
}
