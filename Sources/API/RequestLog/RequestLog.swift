import Domain
import Foundation
import JSON
import Synchronization

/// What was asked of the API, by whom, and what became of it: a line a request, without bodies, queries
/// or addresses. In numbered files of a folder, the oldest of which are deleted.
///
/// A line is on disk within half a second. It is a record for developers, not the book: what a request
/// wrote is in the log, under the request's id.
package final class RequestLog: Sendable {
  private struct Pending {
    var bytes: [UInt8] = []
    var isFlushDue = false
    var droppedCount = 0
  }

  /// Where it is and how much of it is kept.
  package struct Limits: Sendable {
    package var fileBytes = 16 << 20
    package var fileCount = 16
    package var keptSeconds: Double = 30 * 86_400

    package init() {}
  }

  /// Lines that wait; more are dropped, and counted.
  private static let pendingBytes = 8 << 20
  private static let flushMillis: Int64 = 500
  /// Room for as much is kept for the next lines: fresh pages of a large array cost more than what is written to them.
  private static let keptBytes = 1 << 20

  let directory: String
  private let limits: Limits
  private let report: @Sendable (String) -> Void
  private let pending = Mutex(Pending())
  /// One writer of files at a time, and its room.
  private let files = Mutex<[UInt8]>([])

  package init(
    directory: String, limits: Limits = Limits(), report: @escaping @Sendable (String) -> Void
  ) throws {
    self.directory = directory
    self.limits = limits
    self.report = report
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  /// `entry`: an object, in bytes.
  func record(_ entry: [UInt8]) {
    let mustSchedule = pending.withLock { pending in
      guard pending.bytes.count + entry.count < Self.pendingBytes else {
        pending.droppedCount += 1
        return false
      }
      pending.bytes += entry
      pending.bytes.append(10)
      defer { pending.isFlushDue = true }
      return !pending.isFlushDue
    }
    guard mustSchedule else { return }
    Task.detached(priority: .utility) { [self] in
      // Cancelled or not: what waits is written.
      try? await Task.sleep(for: .milliseconds(Self.flushMillis))
      flush()
    }
  }

  /// Writes what waits.
  package func flush() {
    files.withLock { bytes in
      let droppedCount = pending.withLock { pending in
        swap(&bytes, &pending.bytes)
        defer { (pending.isFlushDue, pending.droppedCount) = (false, 0) }
        return pending.droppedCount
      }
      defer { bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytes) }
      if droppedCount > 0 { report("\(droppedCount) lines of the request log were dropped") }
      guard !bytes.isEmpty else { return }
      do {
        try append(bytes)
      } catch {
        report("the request log cannot be written: \(error)")
      }
    }
  }

  private func append(_ bytes: [UInt8]) throws {
    let numbers = try numbers()
    var number = numbers.last ?? 1
    if try size(of: number) + bytes.count > limits.fileBytes { number += 1 }
    let path = path(of: number)
    if !FileManager.default.fileExists(atPath: path) {
      let isCreated = FileManager.default.createFile(
        atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
      guard isCreated else { throw CocoaError(.fileWriteUnknown) }
      try forget(numbers)
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: bytes)
    try handle.close()
  }

  /// Before a new file: what is too much, and what is too old.
  private func forget(_ numbers: [Int]) throws {
    let surplus = numbers.dropLast(limits.fileCount - 1)
    for number in numbers {
      let attributes = try FileManager.default.attributesOfItem(atPath: path(of: number))
      let age = -((attributes[.modificationDate] as? Date)?.timeIntervalSinceNow ?? 0)
      guard surplus.contains(number) || age > limits.keptSeconds else { continue }
      try FileManager.default.removeItem(atPath: path(of: number))
    }
  }

  private func numbers() throws -> [Int] {
    try FileManager.default.contentsOfDirectory(atPath: directory)
      .compactMap { $0.hasSuffix(".ndjson") ? Int($0.dropLast(7)) : nil }.sorted()
  }

  private func path(of number: Int) -> String { "\(directory)/\(number).ndjson" }

  private func size(of number: Int) throws -> Int {
    let path = path(of: number)
    guard FileManager.default.fileExists(atPath: path) else { return 0 }
    return try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
  }
}

// MARK: - Reading

extension RequestLog {
  /// The numbers of its files, the newest first, with all that waited to be written in them. Blocks.
  func numbersOfFiles() throws -> [Int] {
    flush()
    return try files.withLock { _ in try numbers() }.reversed()
  }

  /// What is in a file; nil where it was deleted meanwhile, and everything older with it. Blocks.
  func contents(of number: Int) throws -> Data? {
    do {
      return try Data(contentsOf: URL(filePath: path(of: number)))
    } catch CocoaError.fileReadNoSuchFile {
      return nil
    }
  }
}
