import Foundation
import JSON

/// Standard output and standard error. Lines are written at once, so that a reader of a pipe or of a
/// file sees them when they are said. A reader that has gone away is not an error of ours.
enum Output {
  static func line(_ text: String = "") { self.text(text + "\n") }

  static func text(_ text: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
  }

  static func json(_ value: JSON) { line(value.text) }

  /// Replaces the line that the terminal shows last on standard error.
  static func progress(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(text)".utf8))
  }

  static func error(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
  }
}
