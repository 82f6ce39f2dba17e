import EventLog
import Foundation

/// What a writing process was promised, kept outside of the log by one write(2) a line: a kill leaves a line whole or
/// not at all.
///
///     acked 17 c3-42      the commit `c3-42` is at position 17
///     unknown c3-43       its flush failed, nobody knows
///     erasing 8f…02       this person's erasure was asked for
///     erased 8f…02        and is done
package final class Acknowledgements: Sendable {
  private let descriptor: Int32

  package init(path: String) throws {
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CrashError("\(path) cannot be written: \(errno)") }
  }

  deinit { close(descriptor) }

  func acked(_ name: String, at position: UInt64) throws { try add("acked \(position) \(name)\n") }

  func unknown(_ name: String) throws { try add("unknown \(name)\n") }

  func erasing(_ subject: SubjectID) throws { try add("erasing \(Self.text(subject))\n") }

  func erased(_ subject: SubjectID) throws { try add("erased \(Self.text(subject))\n") }

  private static func text(_ subject: SubjectID) -> String { String(subject.value, radix: 16) }

  private func add(_ line: String) throws {
    let bytes = Array(line.utf8)
    guard unsafe write(descriptor, bytes, bytes.count) == bytes.count else {
      throw CrashError("an acknowledgement cannot be written: \(errno)")
    }
  }

  package struct Book {
    /// Position by name.
    package var acked: [String: UInt64] = [:]
    package var unknownCount = 0
    /// Whose erasure was asked for: their parts may be gone.
    package var erasing: Set<SubjectID> = []
    /// Whose erasure is done: their parts are gone.
    package var erased: Set<SubjectID> = []
  }

  package static func read(_ path: String) throws -> Book {
    var book = Book()
    guard FileManager.default.fileExists(atPath: path) else { return book }
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      let fields = line.split(separator: " ")
      switch (fields.first, fields.count) {
      case ("acked", 3):
        guard let position = UInt64(fields[1]) else { throw CrashError("not a line: \(line)") }
        let name = String(fields[2])
        if let known = book.acked[name], known != position {
          throw BrokenPromise("\(name) was acknowledged at \(known) and at \(position)")
        }
        book.acked[name] = position
      case ("unknown", 2): book.unknownCount += 1
      case ("erasing", 2): book.erasing.insert(try subject(fields[1]))
      case ("erased", 2): book.erased.insert(try subject(fields[1]))
      default: throw CrashError("not a line: \(line)")
      }
    }
    return book
  }

  private static func subject(_ text: Substring) throws -> SubjectID {
    guard let value = UInt128(text, radix: 16) else { throw CrashError("not a person: \(text)") }
    return SubjectID(value)
  }
}

/// What keeps the tool from doing its work.
package struct CrashError: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// The log did what it must never do.
package struct BrokenPromise: Error, Equatable, CustomStringConvertible {
  /// Begins with a word that `tools/test` looks for: what says it is never tried again in the hope that it goes away.
  package let description: String

  package init(_ description: String) {
    let mark = "BROKEN: "
    self.description = mark + description.replacing(mark, with: "")
  }
}
