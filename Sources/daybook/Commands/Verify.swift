import Application
import CLI
import Domain
import EventCodec
import EventLog
import JSON

private let fromOption = Option("--from", value: "POSITION", "begin at this position; 1")
private let deepOption = Option("--deep", "open every sealed part too")
private let rulesOption = Option(
  "--rules", "check the product's rules alone: no text after a STOP, wallets and campaigns add up")

let verifyCommand = Command(
  "verify", "check the whole log: bytes, order, proofs, and that no rule was ever broken",
  details: """
    Checks checksums, density, order, stream versions and the Merkle trees, then reads
    every event and checks the rules: nothing was handed out after its address said no,
    no wallet fell below zero, every finished campaign adds up. Works beside a running
    system. The exit code is 0 where all is well and 2 where something is wrong.
    """,
  options: [fromOption, deepOption, rulesOption, .json]
) { invocation in
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let first = try wholeNumber(
    invocation.value(fromOption.flag) ?? "1", fromOption.flag, in: "verify")
  let log =
    invocation.has(rulesOption.flag)
    ? nil : try reader.verify(from: max(first, 1), isDeep: invocation.has(deepOption.flag))
  let rules = try checkRules(reader)
  if invocation.has(Option.json.flag) {
    Output.json(json(log, rules))
  } else {
    show(log, rules)
  }
  return log?.isSound != false && rules.violations.isEmpty ? .success : .foundWrong
}

/// From the first event on: a rule is about all that came before.
private func checkRules(_ reader: LMDBLogReader) throws -> RuleVerifier {
  var rules = RuleVerifier()
  var position: UInt64 = 0
  while true {
    let page = try reader.read(after: position, limit: 5_000, filter: .all)
    for event in page.events { rules.check(try EventCodec.decode(event)) }
    guard page.scannedTo > position else { return rules }
    position = page.scannedTo
  }
}

private func show(_ log: VerificationReport?, _ rules: RuleVerifier) {
  if let log {
    Output.line(
      "log    \(log.isSound ? "sound" : "DAMAGED"): \(log.eventCount) events in"
        + " \(log.blockCount) blocks, \(log.byteCount) bytes, \(log.treeHeads.count) trees")
    for problem in log.problems { Output.line("  position \(problem.position): \(problem.reason)") }
  }
  Output.line(
    "rules  \(rules.violations.isEmpty ? "kept" : "BROKEN"): \(rules.intentCount) intents and"
      + " \(rules.optOutCount) opt-outs in \(rules.eventCount) events")
  for violation in rules.violations {
    Output.line("  position \(violation.position): \(violation.rule) by \(violation.subject)")
  }
}

private func json(_ log: VerificationReport?, _ rules: RuleVerifier) -> JSON {
  var object = JSONObject([
    ("ok", .bool(log?.isSound != false && rules.violations.isEmpty)),
    (
      "rules",
      [
        "events": .int(Int64(rules.eventCount)), "intents": .int(Int64(rules.intentCount)),
        "opt_outs": .int(Int64(rules.optOutCount)),
        "violations": .array(
          rules.violations.map {
            [
              "position": .int(Int64($0.position)), "rule": .string($0.rule),
              "subject": .string($0.subject.text),
            ]
          }),
      ]
    ),
  ])
  if let log {
    object["log"] = [
      "events": .int(Int64(log.eventCount)), "blocks": .int(Int64(log.blockCount)),
      "bytes": .int(Int64(log.byteCount)), "head": .int(Int64(log.headPosition)),
      "problems": .array(
        log.problems.map {
          ["position": .int(Int64($0.position)), "reason": .string($0.reason)]
        }),
    ]
  }
  return .object(object)
}
