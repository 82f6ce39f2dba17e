import Foundation
import JSON
import Testing

@testable import Logging

@Suite struct LoggingTests {
  @Test func `a line is one JSON object with the fields in their order`() {
    let logger = Logger(process: "serve", output: MemoryLogOutput())
      .with(["request_id": "req_1"])
    let line = logger.line(
      .warning, "request refused", ["status": 403, "path": "/api/\"x\"\n"],
      at: Date(timeIntervalSince1970: 1_763_690_000.25))
    #expect(
      String(decoding: line, as: UTF8.self)
        == #"{"time":"2025-11-21T01:53:20.250Z","level":"warning","process":"serve","#
        + #""message":"request refused","request_id":"req_1","status":403,"#
        + #""path":"/api/\"x\"\n"}"# + "\n")
  }

  @Test func `lines below the level are not written`() {
    let output = MemoryLogOutput()
    let logger = Logger(process: "serve", level: .warning, output: output)
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")
    #expect(output.lines.count == 2)
  }

  @Test func `a full file is put aside and the oldest one goes`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "serve.log").path(percentEncoded: false)
    let output = try RotatingFileOutput(path: path, limitBytes: 20, keepCount: 2)
    for index in 0..<8 { output.write(Array("line \(index) ..\n".utf8)) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "line 6 ..\nline 7 ..\n")
    #expect(try String(contentsOfFile: path + ".1", encoding: .utf8) == "line 4 ..\nline 5 ..\n")
    #expect(try String(contentsOfFile: path + ".2", encoding: .utf8) == "line 2 ..\nline 3 ..\n")
    #expect(!FileManager.default.fileExists(atPath: path + ".3"))
  }

  @Test func `a reopened file goes on where it ended`() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path(
      percentEncoded: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try RotatingFileOutput(path: path).write(Array("one\n".utf8))
    try RotatingFileOutput(path: path).write(Array("two\n".utf8))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "one\ntwo\n")
  }

  @Test func `lines that the disk refused are counted once it takes them again`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "serve.log").path(percentEncoded: false)
    let output = try RotatingFileOutput(path: path, limitBytes: 10, keepCount: 1)
    output.write(Array("12345678\n".utf8))
    // The folder goes away between two lines, so that nothing can be put aside or opened.
    try FileManager.default.removeItem(at: folder)
    output.write(Array("lost one\n".utf8))
    output.write(Array("lost two\n".utf8))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    output.write(Array("again\n".utf8))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.hasPrefix(#"{"level":"error","message":"log lines lost","count":2}"#))
    #expect(text.hasSuffix("again\n"))
  }
}
