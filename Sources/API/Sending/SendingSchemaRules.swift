import Application
import Domain
import JSON

/// What the commands refuse of how an org sends.
enum SendingSchemaRules {
  /// Of its rules, beyond the ranges that their schema has.
  static let rules = SchemaRule.object(refuses: ["out_of_range"]) { object, _ in
    var program = MessagingProgram(helpText: object["help_text"]?.string)
    func words(_ list: String) -> [String] {
      (object["keywords"]?[list]?.array ?? []).compactMap(\.string)
    }
    (program.optOut, program.optIn) = (words("opt_out"), words("opt_in"))
    program.help = words("help")
    var faults = program.faults
    if object["advertisement_notice"]?.string?.isBlank == true {
      faults.append("advertisement_notice")
    }
    return faults.map { .org(.sendingRuleOutOfRange($0)) }
  }

  /// Of when a price begins.
  static let from = SchemaRule.text(refuses: ["out_of_range"]) {
    text, context throws(CommandError) in
    guard let micros = Timestamp.micros(text) else { return }
    if micros < context.nowMicros { throw .org(.priceInThePast) }
  }

  /// Of the addresses of a list, each by itself.
  static let addresses = SchemaRule(
    codes: ["invalid_email", "invalid_phone"],
    states: {
      Schema.all([
        Schema.when(
          Schema.isOne("channel", of: ["email"]),
          ["properties": ["addresses": ["items": ["pattern": .string(TextPattern.email)]]]]),
        Schema.when(
          Schema.isOne("list", of: Suppression.List.allCases.filter(\.isOfNumbers).map(\.rawValue)),
          Schema.isOne("channel", of: [Channel.sms.rawValue])),
      ])
    }
  ) { value, context in
    guard let channel = value["channel"]?.string.flatMap(Channel.init) else { return [] }
    let rule = SchemaRule.text(refuses: []) { text, context throws(CommandError) in
      _ = try ContactAddresses.key(text, on: channel, context.tools.numbers)
    }
    return (value["addresses"]?.array ?? []).enumerated().flatMap { index, address in
      rule.faults(address, context).map { detail in
        APIError.Detail(
          param: "addresses[\(index)]", code: detail.code, message: detail.message)
      }
    }
  }
}
