import Foundation
import JSON

/// How much a log line matters. A logger writes its own level and everything above.
package enum LogLevel: String, Sendable, CaseIterable, Comparable {
  case debug, info, warning, error

  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .debug: 0
    case .info: 1
    case .warning: 2
    case .error: 3
    }
  }
}

/// The structured fields of a line, in the order in which they were written.
package typealias LogFields = KeyValuePairs<String, JSON>

/// Writes one JSON object a line: time, level, process, message, then the fields.
///
///     let log = Logger(process: "serve", level: .info, output: output)
///     log.info("request finished", ["request_id": .string(id), "status": 200])
///
/// Messages are constants, so that no personal data can slip in by interpolation. Fields carry ids,
/// positions, counts and codes, never a name, a number, an address or a text.
package struct Logger: Sendable {
  package let process: String
  package let level: LogLevel
  private let output: any LogOutput
  private let context: [(key: String, value: JSON)]

  package init(process: String, level: LogLevel = .info, output: any LogOutput) {
    self.init(process: process, level: level, output: output, context: [])
  }

  private init(
    process: String, level: LogLevel, output: any LogOutput, context: [(key: String, value: JSON)]
  ) {
    self.process = process
    self.level = level
    self.output = output
    self.context = context
  }

  /// A logger that adds `fields` to each of its lines: a request's id, an org.
  package func with(_ fields: LogFields) -> Logger {
    Logger(
      process: process, level: level, output: output,
      context: context + fields.map { (key: $0.key, value: $0.value) })
  }

  package func debug(
    _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]
  ) {
    write(.debug, message, fields())
  }

  package func info(
    _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]
  ) {
    write(.info, message, fields())
  }

  package func warning(
    _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]
  ) {
    write(.warning, message, fields())
  }

  package func error(
    _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]
  ) {
    write(.error, message, fields())
  }

  /// `fields` are only asked for where the line is written.
  package func write(
    _ level: LogLevel, _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]
  ) {
    guard level >= self.level else { return }
    output.write(line(level, message, fields(), at: .now))
  }

  /// The line with its newline.
  func line(
    _ level: LogLevel, _ message: StaticString, _ fields: LogFields, at time: Date
  ) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("time", time.formatted(Self.timeStyle))
    writer.field("level", level.rawValue)
    writer.field("process", process)
    writer.field("message", message.description)
    for (key, value) in context { writer.field(key, value) }
    for (key, value) in fields { writer.field(key, value) }
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
