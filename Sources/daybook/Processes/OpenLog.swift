import CLI
import Domain
import EventLog

/// The home's log for reading, beside whoever writes it.
func openLog(_ home: Home) throws -> LMDBLogReader {
  do throws(EventLogError) {
    return try LMDBLogReader(directory: home.log)
  } catch {
    throw CommandError.logUnusable(path: home.log, reason: "\(error)")
  }
}

/// The org that an option names.
func org(_ text: String, in command: String) throws(UsageError) -> OrgID {
  guard let org = Identifier(text, kind: .org) else {
    throw UsageError("'\(text)' is no org's id: those start with acc_.", command: command)
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
