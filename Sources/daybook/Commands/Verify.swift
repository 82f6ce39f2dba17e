import Application
import CLI
import Domain
import EventCodec
import EventLog
import Foundation
import JSON

private let fromOption = Option("--from", value: "POSITION", "begin at this position; 1")
private let deepOption = Option("--deep", "open every sealed part too")
private let jobsOption = Option("--jobs", value: "N", "threads that check; all cores")
private let logOption = Option("--log", "check the log alone, not the product's rules")
private let rulesOption = Option(
  "--rules", "check the product's rules alone: no text after a STOP, wallets and campaigns add up")

let verifyCommand = Command(
  "verify", "check the whole log: bytes, order, proofs, and that no rule was ever broken",
  details: """
    Checks checksums, density, order, stream versions and the Merkle trees, then reads
    every event and checks the rules: nothing was handed out after its address said no,
    no wallet fell below zero, every finished campaign adds up. Works beside a running
    system; what it keeps in memory grows with the people who said no and the messages
    under way, and by some 16 bytes a charge. With --from the check of the log begins
    later; trees are made of all events, so none is compared then, and the rules are
    checked from the first event all the same. The exit code is 0 where all is well and
    2 where something is wrong, also where the log is so damaged that it cannot be opened;
    it is 1 where there is none.
    """,
  options: [fromOption, deepOption, jobsOption, logOption, rulesOption, .json]
) { invocation in
  try requireOneCheck(invocation)
  let first = max(
    try wholeNumber(invocation.value(fromOption.flag) ?? "1", fromOption.flag, in: "verify"), 1)
  let jobCount = try jobCount(invocation)
  let (log, rules) = try check(invocation, from: first, jobCount: jobCount)
  if invocation.has(Option.json.flag) {
    Output.json(json(log, rules))
  } else {
    show(log, rules)
  }
  return isSound(log, rules) ? .success : .foundWrong
}

private func check(
  _ invocation: Invocation, from first: UInt64, jobCount: Int
) throws -> (CheckedLog?, CheckedRules?) {
  let hasLog = !invocation.has(rulesOption.flag)
  let hasRules = !invocation.has(logOption.flag)
  let reader: LMDBLogReader
  do throws(CommandError) {
    reader = try openLog(invocation.settings.home)
  } catch {
    // Damage is what is asked about: it is the answer, and no failure to give one.
    guard case .logDamaged(_, let reason) = error else { throw error }
    return (
      hasLog ? CheckedLog(damage: reason, firstPosition: first) : nil,
      hasRules ? CheckedRules(unread: UnreadRest(after: 0, reason: reason)) : nil
    )
  }
  defer { reader.close() }
  let meter = ProgressMeter(isShown: !invocation.has(Option.json.flag))
  let log =
    hasLog
    ? try checkLog(
      reader, from: first, isDeep: invocation.has(deepOption.flag), jobCount: jobCount, meter)
    : nil
  let rules = hasRules ? checkRules(reader, meter) : nil
  meter.clear()
  return (log, rules)
}

private func isSound(_ log: CheckedLog?, _ rules: CheckedRules?) -> Bool {
  log?.report.isSound != false && rules?.areKept != false
}

private struct CheckedRules {
  let verifier: RuleVerifier
  /// Events that nobody can read: whether they kept the rules is unknown.
  let unread: UnreadRest?

  init(
    verifier: RuleVerifier = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock()),
    unread: UnreadRest?
  ) {
    self.verifier = verifier
    self.unread = unread
  }

  var areKept: Bool { verifier.violations.isEmpty && unread == nil }

  var verdict: String {
    if !verifier.violations.isEmpty { return "BROKEN" }
    return unread == nil ? "kept" : "NOT CHECKED TO THE END"
  }
}

/// Beside --rules every other choice would be of a check that is not made.
private func requireOneCheck(_ invocation: Invocation) throws(UsageError) {
  guard invocation.has(rulesOption.flag) else { return }
  for flag in [logOption, fromOption, deepOption, jobsOption].map(\.flag)
  where invocation.has(flag) {
    throw UsageError(
      "\(rulesOption.flag) leaves out the check of the log, which \(flag) is about.",
      command: "verify")
  }
}

private struct CheckedLog {
  let report: VerificationReport
  let firstPosition: UInt64
  let seconds: Double

  init(report: VerificationReport, firstPosition: UInt64, seconds: Double) {
    self.report = report
    self.firstPosition = firstPosition
    self.seconds = seconds
  }

  /// Of a log that cannot be looked at.
  init(damage: String, at position: UInt64 = 0, firstPosition: UInt64) {
    var report = VerificationReport()
    report.problems = [VerificationProblem(position: position, reason: damage)]
    self.init(report: report, firstPosition: firstPosition, seconds: 0)
  }

  /// nil where the log was not looked at from its first event on.
  var treeCount: Int? { firstPosition == 1 ? report.treeHeads.count : nil }

  func rate(_ count: UInt64) -> Double { Double(count) / max(seconds, 1e-6) }
}

private func jobCount(_ invocation: Invocation) throws -> Int {
  guard let text = invocation.value(jobsOption.flag) else {
    return ProcessInfo.processInfo.activeProcessorCount
  }
  let count = try wholeNumber(text, jobsOption.flag, in: "verify")
  guard (1...64).contains(count) else {
    throw UsageError("--jobs is a number from 1 to 64.", command: "verify")
  }
  return Int(count)
}

private func checkLog(
  _ reader: LMDBLogReader, from first: UInt64, isDeep: Bool, jobCount: Int, _ meter: ProgressMeter
) throws -> CheckedLog {
  let start = ContinuousClock.now
  func seconds() -> Double { (ContinuousClock.now - start) / .seconds(1) }
  let report: VerificationReport
  do throws(EventLogError) {
    report = try reader.verify(from: first, isDeep: isDeep, jobCount: jobCount) { progress in
      meter.show("log", progress.position, of: progress.headPosition) {
        let rate = Double(progress.eventCount) / max(seconds(), 1e-6)
        let megabytes = Double(progress.contentByteCount) / max(seconds(), 1e-6) / 1e6
        return "\(Int(rate)) events/s, \(Int(megabytes)) MB/s"
      }
    }
  } catch {
    // What ends the verification is found wrong by it.
    guard case .corrupted(let position, let reason) = error else { throw error }
    return CheckedLog(damage: reason, at: position, firstPosition: first)
  }
  meter.clear()
  guard first <= max(report.headPosition, 1) else {
    throw UsageError(
      "\(fromOption.flag) is \(first), but the log ends at \(report.headPosition).",
      command: "verify")
  }
  return CheckedLog(report: report, firstPosition: first, seconds: seconds())
}

/// One line on a terminal's standard error that changes as the work goes on, ten times a second at most.
private final class ProgressMeter {
  private let isShown: Bool
  private var last = ContinuousClock.now
  private var isDirty = false

  init(isShown: Bool) { self.isShown = isShown && isatty(2) == 1 }

  func show(_ name: String, _ position: UInt64, of head: UInt64, _ rate: () -> String) {
    guard isShown, ContinuousClock.now - last > .milliseconds(100) else { return }
    last = .now
    isDirty = true
    Output.progress("\(name): \(position) of \(head), \(rate())")
  }

  func clear() { if isDirty { Output.progress("") } }
}

/// From the first event on: a rule is about all that came before. For the same reason it ends where the log can not be read.
private func checkRules(_ reader: LMDBLogReader, _ meter: ProgressMeter) -> CheckedRules {
  // For the meter alone: where the last block is damaged, reading comes to it by itself.
  let head = (try? reader.head()) ?? 0
  var rules = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock())
  let unread = readAll(reader) { position in
    meter.show("rules", position, of: head) { "\(rules.intentCount) intents" }
  } _: { event in
    rules.check(try EventCodec.decode(event))
  }
  do throws(EventLogError) {
    try rules.checkQuotedHeads(reader)
  } catch {
    return CheckedRules(
      verifier: rules, unread: unread ?? UnreadRest(after: head, reason: "\(error)"))
  }
  return CheckedRules(verifier: rules, unread: unread)
}

private func show(_ checked: CheckedLog?, _ checkedRules: CheckedRules?) {
  if let checked {
    let log = checked.report
    Output.line(
      "log    \(log.isSound ? "sound" : "DAMAGED"): \(log.eventCount) events in"
        + " \(log.blockCount) blocks, \(log.byteCount) bytes, "
        + (checked.treeCount.map { "\($0) trees" }
          ?? "from position \(checked.firstPosition) on; no tree was compared"))
    Output.line(
      "       \(Int(checked.rate(log.eventCount))) events/s,"
        + " \(Int(checked.rate(log.contentByteCount) / 1e6)) MB/s of content")
    for problem in log.problems { Output.line("  position \(problem.position): \(problem.reason)") }
  }
  guard let checkedRules else { return }
  let rules = checkedRules.verifier
  Output.line(
    "rules  \(checkedRules.verdict): \(rules.intentCount) intents and"
      + " \(rules.optOutCount) opt-outs in \(rules.eventCount) events from the first one on")
  if let unread = checkedRules.unread { Output.line("  \(unread.text)") }
  for violation in rules.violations {
    Output.line("  position \(violation.position): \(violation.rule) by \(violation.subject)")
  }
}

private func json(_ checked: CheckedLog?, _ checkedRules: CheckedRules?) -> JSON {
  let log = checked?.report
  var object = JSONObject([("ok", .bool(isSound(checked, checkedRules)))])
  if let checkedRules {
    let rules = checkedRules.verifier
    object["rules"] = [
      "events": .int(Int64(rules.eventCount)), "intents": .int(Int64(rules.intentCount)),
      "opt_outs": .int(Int64(rules.optOutCount)),
      "unread": checkedRules.unread?.json ?? .null,
      "violations": .array(
        rules.violations.map {
          [
            "position": .int(Int64($0.position)), "rule": .string($0.rule),
            "subject": .string($0.subject.text),
          ]
        }),
    ]
  }
  if let checked, let log {
    object["log"] = [
      "events_per_second": .int(Int64(checked.rate(log.eventCount))),
      "content_bytes_per_second": .int(Int64(checked.rate(log.contentByteCount))),
      "events": .int(Int64(log.eventCount)), "blocks": .int(Int64(log.blockCount)),
      "bytes": .int(Int64(log.byteCount)), "head": .int(Int64(log.headPosition)),
      "from": .int(Int64(checked.firstPosition)),
      "trees": JSON(checked.treeCount.map { Int64($0) }),
      "problems": .array(
        log.problems.map {
          ["position": .int(Int64($0.position)), "reason": .string($0.reason)]
        }),
    ]
  }
  return .object(object)
}
