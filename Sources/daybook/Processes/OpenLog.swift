import CLI
import Domain
import EventLog
import JSON

/// The home's log for reading, beside whoever writes it. Makes none.
func openLog(_ home: Home) throws(CommandError) -> LMDBLogReader {
  try requireLog(home)
  return try opening(home) { () throws(EventLogError) in try LMDBLogReader(directory: home.log) }
}

/// The home's log for writing, while nobody else writes it. Makes none.
func openLogForWriting(_ home: Home) throws(CommandError) -> LMDBEventLog {
  try requireLog(home)
  return try makeLog(home)
}

/// The home's log for writing, made where there is none.
func makeLog(_ home: Home) throws(CommandError) -> LMDBEventLog {
  try opening(home) { () throws(EventLogError) in try LMDBEventLog(directory: home.log) }
}

private func requireLog(_ home: Home) throws(CommandError) {
  let isThere = try opening(home) { () throws(EventLogError) in
    try LMDBEventLog.exists(in: home.log)
  }
  guard isThere else { throw .logMissing(path: home.log) }
}

private func opening<Opened>(
  _ home: Home, _ open: () throws(EventLogError) -> Opened
) throws(CommandError) -> Opened {
  do throws(EventLogError) {
    return try open()
  } catch {
    switch error {
    case .writerPresent: throw .logInUse(path: home.log)
    case .corrupted: throw .logDamaged(path: home.log, reason: "\(error)")
    default: throw .logUnusable(path: home.log, reason: "\(error)")
    }
  }
}

/// What of a log could not be read, and why.
struct UnreadRest {
  /// The last position that was read.
  let after: UInt64
  let reason: String

  var text: String { "nothing was read after position \(after): \(reason)" }
  var json: JSON { ["after": .int(Int64(after)), "reason": .string(reason)] }
}

/// Gives every event of the log to `body`, in order; nil where that was all of it. What cannot be read, or what `body`
/// throws, ends it and is what was found: a report of what came before is worth more than none.
func readAll(
  _ reader: LMDBLogReader, progress: (_ position: UInt64) -> Void = { _ in },
  _ body: (RecordedEvent) throws -> Void
) -> UnreadRest? {
  var (position, limit): (UInt64, Int) = (0, 5_000)
  while true {
    let page: Page
    do throws(EventLogError) {
      page = try reader.read(after: position, limit: limit, filter: .all)
    } catch {
      guard limit > 1 else { return UnreadRest(after: position, reason: "\(error)") }
      // A page comes whole or not at all: once more, commit by commit, up to what is in its way.
      limit = 1
      continue
    }
    do {
      for event in page.events {
        try body(event)
        position = event.position
      }
    } catch {
      return UnreadRest(after: position, reason: "\(error)")
    }
    guard page.scannedTo > position || !page.events.isEmpty else { return nil }
    position = page.scannedTo
    progress(position)
  }
}

/// The same of a home's log, of which nothing can be read where it is too damaged to be opened.
func readAll(
  _ home: Home, _ body: (RecordedEvent) throws -> Void
) throws(CommandError) -> UnreadRest? {
  let reader: LMDBLogReader
  do throws(CommandError) {
    reader = try openLog(home)
  } catch {
    guard case .logDamaged(_, let reason) = error else { throw error }
    return UnreadRest(after: 0, reason: reason)
  }
  defer { reader.close() }
  return readAll(reader, body)
}

/// The org that an option names.
func org(_ text: String, in command: String) throws(UsageError) -> OrgID {
  guard let org = Identifier(text, kind: .org) else {
    throw UsageError(
      "'\(text)' is no account's id: acc_ and 26 letters and digits.", command: command)
  }
  return OrgID(org.value)
}

/// A whole number that an option gives.
func wholeNumber(
  _ text: String, _ flag: String, in command: String
) throws(UsageError) -> UInt64 {
  guard let number = UInt64(text) else {
    throw UsageError("\(flag) is '\(text)', but must be a whole number.", command: command)
  }
  return number
}
