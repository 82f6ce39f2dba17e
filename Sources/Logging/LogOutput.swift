import Foundation
import Synchronization

/// Where log lines go. `write` takes one whole line, returns at once and never throws: a process
/// does not stop because it cannot say something.
package protocol LogOutput: Sendable {
  func write(_ line: [UInt8])
}

/// Standard error: for a process that somebody started by hand.
package struct StandardErrorOutput: LogOutput {
  package init() {}

  package func write(_ line: [UInt8]) { try? FileHandle.standardError.write(contentsOf: line) }
}

/// Keeps the lines in memory: for tests that ask what was logged.
package final class MemoryLogOutput: LogOutput {
  private let stored = Mutex<[String]>([])

  package init() {}

  package var lines: [String] { stored.withLock { $0 } }

  package func write(_ line: [UInt8]) {
    let text = String(decoding: line.dropLast(), as: UTF8.self)
    stored.withLock { $0.append(text) }
  }
}

/// A file that is put aside when it is full: `serve.log`, then `serve.log.1` (the newest of the old
/// ones) up to `serve.log.<keepCount>`.
///
/// While the disk refuses lines they are counted, and the count is written once it takes them again.
package final class RotatingFileOutput: LogOutput {
  private struct State {
    var file: FileHandle?
    var sizeBytes: Int
    var lostCount = 0
  }

  private let path: String
  private let limitBytes: Int
  private let keepCount: Int
  private let state: Mutex<State>

  /// - Throws: the error of the file system where `path` can not be opened for appending.
  package init(path: String, limitBytes: Int = 16 << 20, keepCount: Int = 5) throws {
    precondition(limitBytes > 0 && keepCount > 0, "a log keeps at least one old file")
    self.path = path
    self.limitBytes = limitBytes
    self.keepCount = keepCount
    let (file, sizeBytes) = try Self.open(path)
    state = Mutex(State(file: file, sizeBytes: sizeBytes))
  }

  package func write(_ line: [UInt8]) {
    state.withLock { state in
      do {
        try rotateIfFull(&state, next: line.count)
        try reportLost(&state)
        try append(line, &state)
      } catch {
        state.lostCount += 1
      }
    }
  }

  private func append(_ bytes: [UInt8], _ state: inout State) throws {
    if state.file == nil {
      let (file, sizeBytes) = try Self.open(path)
      state.file = file
      state.sizeBytes = sizeBytes
    }
    try state.file?.write(contentsOf: bytes)
    state.sizeBytes += bytes.count
  }

  private func reportLost(_ state: inout State) throws {
    guard state.lostCount > 0 else { return }
    try append(
      Array(
        "{\"level\":\"error\",\"message\":\"log lines lost\",\"count\":\(state.lostCount)}\n".utf8),
      &state)
    state.lostCount = 0
  }

  private func rotateIfFull(_ state: inout State, next byteCount: Int) throws {
    guard state.sizeBytes > 0, state.sizeBytes + byteCount > limitBytes else { return }
    try state.file?.close()
    state.file = nil
    let manager = FileManager.default
    for index in stride(from: keepCount, through: 1, by: -1) {
      let older = "\(path).\(index)"
      let newer = index == 1 ? path : "\(path).\(index - 1)"
      guard manager.fileExists(atPath: newer) else { continue }
      if manager.fileExists(atPath: older) { try manager.removeItem(atPath: older) }
      try manager.moveItem(atPath: newer, toPath: older)
    }
  }

  private static func open(_ path: String) throws -> (FileHandle, sizeBytes: Int) {
    if !FileManager.default.fileExists(atPath: path) {
      try Data().write(to: URL(filePath: path), options: .withoutOverwriting)
    }
    let file = try FileHandle(forUpdating: URL(filePath: path))
    return (file, Int(try file.seekToEnd()))
  }
}
