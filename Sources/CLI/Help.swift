extension CommandSet {
  /// The list of commands and settings.
  package func helpText() -> String {
    let listed = commands.filter { !$0.isInternal }
    return """
      Daybook: contacts, messages and money, kept in one append-only book.

      Usage: daybook COMMAND [ARGUMENT...] [--FLAG...]

      Commands:
      \(table(listed.map { ($0.name, $0.summary) }))

      Settings, for every command (flag, else environment, else default):
      \(table(SettingKey.all.map { ("\($0.flag) \($0.value)", settingHelp($0)) }))

      'daybook COMMAND --help' explains one command. Exit codes: 0 done, 1 failed,
      2 checked and found wrong, 64 not understood.

      """
  }

  /// Everything that can be asked for, one help after the other: `docs/commands.txt` is this text.
  package func completeHelpText() -> String {
    let rule = "\n" + String(repeating: "-", count: 78) + "\n\n"
    return ([helpText()] + commands.filter { !$0.isInternal }.map(helpText(for:)))
      .joined(separator: rule)
  }

  /// One command's usage, arguments and options.
  package func helpText(for command: Command) -> String {
    let summary = command.summary.prefix(1).uppercased() + command.summary.dropFirst()
    var parts = ["Usage: \(usage(command))", "\(summary)."]
    if !command.details.isEmpty { parts.append(command.details) }
    if !command.arguments.isEmpty {
      parts.append("Arguments:\n" + table(command.arguments.map { ($0.name, $0.help) }))
    }
    let options = command.options.filter { !$0.isInternal }
    if !options.isEmpty {
      parts.append("Options:\n" + table(options.map { (spelled($0), $0.help) }))
    }
    parts.append(
      "The settings that every command takes (--home and others): 'daybook --help'.\n")
    return parts.joined(separator: "\n\n")
  }

  private func usage(_ command: Command) -> String {
    let arguments = command.arguments.map { argument in
      switch argument.count {
      case .one: argument.name
      case .optional: "[\(argument.name)]"
      case .many: "[\(argument.name)...]"
      }
    }
    let options = command.options.filter { !$0.isInternal }.map { option in
      option.isRequired ? spelled(option) : "[\(spelled(option))]"
    }
    return (["daybook", command.name] + arguments + options).joined(separator: " ")
  }

  private func spelled(_ option: Option) -> String {
    ([option.flag] + (option.value.map { [$0] } ?? [])).joined(separator: " ")
  }

  private func settingHelp(_ key: SettingKey) -> String {
    "\(key.help) (\(key.variable)\(key.defaultValue.map { ", \($0)" } ?? ""))"
  }

  /// Two columns; the second is wrapped at 78 columns and keeps its place.
  private func table(_ rows: [(String, String)]) -> String {
    let width = (rows.map(\.0.count).max() ?? 0) + 4
    return rows.map { name, text in
      let indent = String(repeating: " ", count: width)
      let lead = "  " + name + String(repeating: " ", count: width - name.count - 2)
      return lead + wrapped(text, width: 78 - width).joined(separator: "\n" + indent)
    }.joined(separator: "\n")
  }

  private func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + word.count + 1 <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
