/// A command line or an environment that makes no sense: what is wrong, and what was meant perhaps.
package struct UsageError: Error, Equatable, CustomStringConvertible {
  package let message: String
  package let suggestion: String?
  /// The command whose help explains more; nil for the general help.
  package let command: String?

  package init(_ message: String, suggestion: String? = nil, command: String? = nil) {
    self.message = message
    self.suggestion = suggestion
    self.command = command
  }

  package var description: String {
    let question = suggestion.map { " Did you mean '\($0)'?" } ?? ""
    let help = (["daybook"] + (command.map { [$0] } ?? []) + ["--help"]).joined(separator: " ")
    return "\(message)\(question)\nSee '\(help)'."
  }
}
