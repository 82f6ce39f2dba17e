import Spelling

/// What a command line asks for.
package enum Request: Sendable {
  case run(Command, Invocation)
  /// Text for standard output.
  case help(String)
}

/// All commands of the program, and the way from words to one of them.
package struct CommandSet: Sendable {
  package let commands: [Command]

  /// Takes the commands in the order in which the help lists them.
  package init(_ commands: [Command]) {
    precondition(
      Set(commands.map(\.name)).count == commands.count, "two commands have the same name")
    self.commands = commands
  }

  /// What `words` ask for: the command line without the program's name.
  package func parse(
    _ words: [String], environment: [String: String], workingDirectory: String
  ) throws(UsageError) -> Request {
    let scanner = try Scanner(words)
    if scanner.commandWords.isEmpty || scanner.commandWords.first == "help" {
      if scanner.rest == ["help", "--all"] { return .help(completeHelpText()) }
      return .help(try help(for: Array(scanner.commandWords.dropFirst())))
    }
    let command = try find(scanner.commandWords)
    if scanner.asksForHelp { return .help(helpText(for: command)) }
    let values = try scanner.values(for: command)
    let settings = try Settings(
      flags: scanner.settingFlags, environment: environment, workingDirectory: workingDirectory)
    return .run(
      command,
      Invocation(settings: settings, arguments: values.arguments, options: values.options))
  }

  private func help(for words: [String]) throws(UsageError) -> String {
    words.isEmpty ? helpText() : helpText(for: try find(words))
  }

  /// The command with the most words at the start of `words`.
  private func find(_ words: [String]) throws(UsageError) -> Command {
    let matches = commands.filter { words.starts(with: $0.words) }
    if let command = matches.max(by: { $0.words.count < $1.words.count }) { return command }
    throw unknownCommand(words)
  }

  private func unknownCommand(_ words: [String]) -> UsageError {
    let listed = commands.filter { !$0.isInternal }
    let family = listed.filter { $0.words.count > 1 && $0.words[0] == words[0] }
    guard !family.isEmpty else {
      let guess =
        nearest(to: words.prefix(2).joined(separator: " "), among: listed.map(\.name))
        ?? nearest(to: words[0], among: listed.map(\.name))
      return UsageError("There is no command '\(words[0])'.", suggestion: guess)
    }
    let names = family.map { "'\($0.name)'" }.joined(separator: ", ")
    guard words.count > 1 else {
      return UsageError("'\(words[0])' needs one more word: \(names).")
    }
    let asked = words.prefix(2).joined(separator: " ")
    let guess = nearest(to: asked, among: family.map(\.name))
    return UsageError(
      "There is no command '\(asked)'." + (guess == nil ? " There is \(names)." : ""),
      suggestion: guess)
  }
}

/// Sorts the words of a command line: settings, which may stand anywhere, and the rest.
private struct Scanner {
  private(set) var settingFlags: [String: String] = [:]
  private(set) var asksForHelp = false
  /// The words that no flag claimed, up to the first flag that is no setting: the command's name and,
  /// where no flag stands between, its arguments.
  private(set) var commandWords: [String] = []
  /// Everything but the settings, in order.
  private(set) var rest: [String] = []

  init(_ words: [String]) throws(UsageError) {
    var index = 0
    var sawFlag = false
    while index < words.count {
      let word = words[index]
      index += 1
      if word == "--" {
        rest += words[(index - 1)...]
        return
      }
      if word == "--help" || word == "-h" {
        asksForHelp = true
      } else if let key = SettingKey.all.first(where: { $0.flag == Flag(word)?.name }) {
        settingFlags[key.flag] = try Flag.value(of: word, in: words, at: &index)
      } else {
        sawFlag = sawFlag || word.hasPrefix("-")
        if !sawFlag { commandWords.append(word) }
        rest.append(word)
      }
    }
  }

  /// The values of the command's arguments and options in what the settings left over.
  func values(
    for command: Command
  ) throws(UsageError) -> (arguments: [String: [String]], options: [String: [String]]) {
    var options: [String: [String]] = [:]
    var positional: [String] = []
    var index = command.words.count
    while index < rest.count {
      let word = rest[index]
      index += 1
      if word == "--" {
        positional += rest[index...]
        break
      }
      guard let flag = Flag(word) else {
        positional.append(word)
        continue
      }
      guard let option = command.options.first(where: { $0.flag == flag.name }) else {
        throw unknown(flag, in: command)
      }
      guard options[option.flag] == nil || option.isRepeatable else {
        throw UsageError("\(option.flag) is given twice.", command: command.name)
      }
      options[option.flag, default: []].append(
        try value(of: option, flag: flag, word: word, at: &index, in: command))
    }
    try requireOptions(options, in: command)
    return (try assign(positional, in: command), options)
  }

  private func value(
    of option: Option, flag: Flag, word: String, at index: inout Int, in command: Command
  ) throws(UsageError) -> String {
    if option.value != nil { return try Flag.value(of: word, in: rest, at: &index) }
    guard flag.value == nil else {
      throw UsageError("\(option.flag) takes no value.", command: command.name)
    }
    return ""
  }

  private func unknown(_ flag: Flag, in command: Command) -> UsageError {
    let known =
      command.options.filter { !$0.isInternal }.map(\.flag) + SettingKey.all.map(\.flag)
    return UsageError(
      "'\(command.name)' has no flag '\(flag.name)'.",
      suggestion: nearest(to: flag.name, among: known + ["--help"]), command: command.name)
  }

  private func requireOptions(
    _ options: [String: [String]], in command: Command
  ) throws(UsageError) {
    for option in command.options where option.isRequired && options[option.flag] == nil {
      throw UsageError(
        "\(option.flag) \(option.value ?? "") is missing: \(option.help).", command: command.name)
    }
  }

  private func assign(
    _ positional: [String], in command: Command
  ) throws(UsageError) -> [String: [String]] {
    var arguments: [String: [String]] = [:]
    var left = positional[...]
    for argument in command.arguments {
      switch argument.count {
      case .many:
        arguments[argument.name] = Array(left)
        left = []
      case .one, .optional:
        // An empty one is a variable of a script that was not set: as a folder it would be the current one.
        if let word = left.popFirst(), !word.isEmpty {
          arguments[argument.name] = [word]
        } else if argument.count == .one {
          throw UsageError(
            "\(argument.name) is missing: \(argument.help).", command: command.name)
        }
      }
    }
    if let extra = left.first {
      throw UsageError("'\(command.name)' does not take '\(extra)'.", command: command.name)
    }
    return arguments
  }
}

/// A word that starts with a dash: `--name` or `--name=value`. A single dash is a file name.
private struct Flag {
  let name: String
  let value: String?

  init?(_ word: String) {
    guard word.hasPrefix("-"), word != "-" else { return nil }
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    name = String(parts[0])
    value = parts.count > 1 ? String(parts[1]) : nil
  }

  /// The value after `=`, or the next word, which is then used up.
  static func value(
    of word: String, in words: [String], at index: inout Int
  ) throws(UsageError) -> String {
    guard let flag = Flag(word) else { preconditionFailure("only flags have values") }
    if let value = flag.value { return value }
    guard index < words.count, Flag(words[index]) == nil else {
      throw UsageError("\(flag.name) needs a value.")
    }
    index += 1
    return words[index - 1]
  }
}
