/// One thing that `daybook` can do: its words, its help, and the code behind it.
package struct Command: Sendable {
  package typealias Body = @Sendable (Invocation) async throws -> ExitStatus

  /// The words after `daybook`: `verify`, `projection list`.
  package let name: String
  /// One line for the list of commands, without a full stop.
  package let summary: String
  /// Paragraphs for the command's own help; may be empty.
  package let details: String
  package let arguments: [Argument]
  package let options: [Option]
  /// Runs until it is told to stop: signals are its own to handle, from the first thread on.
  package let isLongRunning: Bool
  /// Started by other commands, not by people: left out of the list.
  package let isInternal: Bool
  package let run: Body

  package init(
    _ name: String, _ summary: String, details: String = "", arguments: [Argument] = [],
    options: [Option] = [], isLongRunning: Bool = false, isInternal: Bool = false,
    run: @escaping Body
  ) {
    self.name = name
    self.summary = summary
    self.details = details
    self.arguments = arguments
    self.options = options
    self.isLongRunning = isLongRunning
    self.isInternal = isInternal
    self.run = run
  }

  var words: [String] { name.split(separator: " ").map(String.init) }
}

/// A value that is told by its place.
package struct Argument: Sendable {
  package enum Count: Sendable { case one, optional, many }

  package let name: String
  package let count: Count
  package let help: String

  /// The name is in capitals, as the help shows it: `FILE`.
  package init(_ name: String, _ count: Count, _ help: String) {
    self.name = name
    self.count = count
    self.help = help
  }
}

/// A value that is told by its name: `--json`, `--org ORG`.
package struct Option: Sendable {
  package let flag: String
  /// What the help calls the value; nil for a flag that is on or off.
  package let value: String?
  package let isRequired: Bool
  package let isRepeatable: Bool
  package let isInternal: Bool
  package let help: String

  package init(
    _ flag: String, value: String? = nil, isRequired: Bool = false, isRepeatable: Bool = false,
    isInternal: Bool = false, _ help: String
  ) {
    precondition(flag.hasPrefix("--"), "a flag starts with two dashes")
    self.flag = flag
    self.value = value
    self.isRequired = isRequired
    self.isRepeatable = isRepeatable
    self.isInternal = isInternal
    self.help = help
  }

  package static let json = Option("--json", "print JSON for scripts")
}

/// What somebody asked for: the values of a command's arguments and options, and the settings.
package struct Invocation: Sendable {
  package let settings: Settings
  let arguments: [String: [String]]
  let options: [String: [String]]

  /// The value of an argument that the command declares with `.one`.
  package func argument(_ name: String) -> String {
    guard let value = arguments[name]?.first else {
      preconditionFailure("\(name) is not a required argument of this command")
    }
    return value
  }

  package func arguments(_ name: String) -> [String] { arguments[name] ?? [] }

  package func has(_ flag: String) -> Bool { options[flag] != nil }

  package func value(_ flag: String) -> String? { options[flag]?.last }

  package func values(_ flag: String) -> [String] { options[flag] ?? [] }

  /// The value of an option that the command declares as required.
  package func required(_ flag: String) -> String {
    guard let value = value(flag) else {
      preconditionFailure("\(flag) is not a required option of this command")
    }
    return value
  }
}

/// What the shell gets to see. The numbers are part of the interface.
package enum ExitStatus: Int32, Sendable {
  case success = 0
  case failure = 1
  /// The work was done and found something wrong (a verification failed, digests differ), or was
  /// refused because of what is there already.
  case foundWrong = 2
  /// The command line or the environment makes no sense (EX_USAGE of sysexits.h).
  case usage = 64
}
