import Domain
import EventCodec
import EventLog
import JSON
import Merkle

/// What an export shows about one person or message, for people to read: what was agreed to and in which words, every
/// attempt with the verdict of the rules, what was revoked and how fast that took effect, and how to check all of it.
struct Evidence {
  /// More than this belongs in the bundle's other files.
  private static let maxEventCount = 5_000

  private let published: PublishedHead
  private let record: AuditExportRecord
  private let org: Identifier
  private var events: [(recorded: RecordedEvent, event: RecordedDomainEvent, json: JSON)] = []
  private var leftOutCount = 0

  init(org: Identifier, record: AuditExportRecord, published: PublishedHead) {
    self.org = org
    self.record = record
    self.published = published
  }

  /// In the order of the book.
  mutating func add(_ recorded: RecordedEvent, _ json: JSON) throws(CommandError) {
    guard events.count < Self.maxEventCount else {
      leftOutCount += 1
      return
    }
    events.append((recorded, try StreamFold.decode(recorded), json))
  }

  func pdf() -> [UInt8] {
    var page = PDFDocument()
    writeHead(&page)
    writeConsents(&page)
    writeRevocations(&page)
    writeMessages(&page)
    writeProof(&page)
    return page.bytes()
  }

  private func writeHead(_ page: inout PDFDocument) {
    page.add("Evidence: \(record.scope.line)", .title)
    page.add("Account \(org)")
    page.add("Export \(record.id), of a book of \(published.head.size) events")
    page.add(
      "Numbers after # are places in the account's book. Times are UTC, taken by the log when it stored the event."
    )
    if leftOutCount > 0 { page.add("\(leftOutCount) further events are in the bundle only.") }
  }

  private static func line(_ recorded: RecordedEvent) -> String {
    "\(Timestamp.text(recorded.recordedAtMicros))  #\(recorded.orgSequence)  \(recorded.type)"
  }
}

// MARK: - Consent

extension Evidence {
  private func writeConsents(_ page: inout PDFDocument) {
    page.add("What was agreed to", .heading)
    var isEmpty = true
    for each in events where each.recorded.type == "contact.opted_in" {
      isEmpty = false
      write(each.recorded, each.json, to: &page)
    }
    if isEmpty { page.add("No consent is \(onRecord).") }
  }

  private func writeRevocations(_ page: inout PDFDocument) {
    page.add("What was revoked, and how fast it took effect", .heading)
    var isEmpty = true
    for (index, each) in events.enumerated() where Self.isRevocation(each.event) {
      isEmpty = false
      write(each.recorded, each.json, to: &page)
      for line in effect(of: index) { page.add(line, indent: 2) }
    }
    if isEmpty { page.add("No revocation is \(onRecord).") }
  }

  /// Whether all there is about the person or number is shown. Of what is not nothing is said.
  private var isWhole: Bool {
    if case .message = record.scope { return false }
    return leftOutCount == 0
  }

  private var onRecord: String { isWhole ? "on record" : "among the events shown here" }

  /// A no that the person said, or that stands on a list of the account's, whoever had the address then.
  private static func isRevocation(_ event: RecordedDomainEvent) -> Bool {
    switch event.event {
    case .contact(.optedOut): true
    case .org(.suppressed(let entry)): entry.list == .suppression || entry.list == .doNotCall
    default: false
    }
  }

  /// How long after the person's message the revocation was stored, and what went out after it.
  private func effect(of index: Int) -> [String] {
    let revocation = events[index]
    guard let revoked = Revoked(revocation.event, holders: holders(before: index)) else {
      return []
    }
    var lines: [String] = []
    let cause = events.first { each in
      guard case .message(.received) = each.event.event else { return false }
      return each.event.stream == revoked.message
    }
    if let cause {
      let micros = revocation.recorded.recordedAtMicros - cause.recorded.recordedAtMicros
      lines.append(
        "In force \(micros / 1_000) ms after the person's message #\(cause.recorded.orgSequence) was stored,"
          + " from this event on.")
    } else {
      lines.append("In force from this event on.")
    }
    let plans = plans
    let skippedCount = events[index...].count { each in
      guard case .message(.skipped) = each.event.event else { return false }
      return plans[each.event.stream].map(revoked.isMeant) ?? true
    }
    let shown = isWhole ? "" : ", among the events shown here"
    lines.append("\(skippedCount) messages were not sent after it, by the verdicts below\(shown).")
    lines.append(handedOut(after: index, revoked, plans))
    return lines
  }

  private var plans: [Identifier: MessagePlan] {
    var plans: [Identifier: MessagePlan] = [:]
    for each in events {
      if case .message(.planned(let plan)) = each.event.event { plans[each.event.stream] = plan }
    }
    return plans
  }

  /// Who had which address when the event at a place was stored.
  private func holders(before index: Int) -> AddressHolders {
    var holders = AddressHolders()
    for each in events[..<index] { holders.learn(each.event) }
    return holders
  }

  private func handedOut(
    after index: Int, _ revoked: Revoked, _ plans: [Identifier: MessagePlan]
  ) -> String {
    var holders = holders(before: index)
    for each in events[index...] {
      holders.learn(each.event)
      if case .contact(.optedIn(let consent)) = each.event.event,
        revoked.isTakenBack(by: consent, of: each.event.stream, holders)
      {
        return "Nothing was handed out until the new consent #\(each.recorded.orgSequence)."
      }
      if case .org(.unsuppressed(let lifted)) = each.event.event, revoked.isTakenOff(by: lifted) {
        return
          "Nothing was handed out until it was taken off the list, #\(each.recorded.orgSequence)."
      }
      if case .message(.dispatched) = each.event.event,
        plans[each.event.stream].map(revoked.isMeant) ?? true
      {
        return "Handed out after it: #\(each.recorded.orgSequence). See its verdict."
      }
    }
    return isWhole
      ? "Nothing was handed out after it on this channel."
      : "Among the events shown here, nothing was handed out after it on this channel."
  }
}

// MARK: - Messages and proof

extension Evidence {
  private func writeMessages(_ page: inout PDFDocument) {
    page.add("Every attempt, with the verdict of the rules", .heading)
    let attempts = events.filter { $0.event.stream.kind == .message }
    if attempts.contains(where: { Self.verdict(of: $0.event) != nil }) {
      page.add(
        "Below each verdict stands what every rule of the set named beside it says to the facts that were recorded with"
          + " it. The first rule that refuses decides; else the one that holds it longest.")
    }
    for each in attempts {
      write(each.recorded, each.json, to: &page)
      if let verdict = Self.verdict(of: each.event) { write(verdict, to: &page) }
    }
    if attempts.isEmpty { page.add("No message is \(onRecord).") }
    let others = events.filter {
      $0.event.stream.kind != .message && $0.recorded.type != "contact.opted_in"
        && !Self.isRevocation($0.event)
    }
    guard !others.isEmpty else { return }
    page.add("What else is on record", .heading)
    for each in others { write(each.recorded, each.json, to: &page) }
  }

  private static func verdict(of event: RecordedDomainEvent) -> Verdict? {
    guard case .message(let event) = event.event else { return nil }
    switch event {
    case .queued(let verdict, _), .held(_, _, let verdict), .skipped(_, let verdict),
      .dispatched(_, let verdict):
      return verdict
    case .planned, .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed, .cancelled,
      .received, .callEnded, .opened, .clicked, .complained:
      return nil
    }
  }

  /// Rule by rule, from the recorded facts: the same facts and set say the same for ever.
  private func write(_ verdict: Verdict, to page: inout PDFDocument) {
    guard let rules = Gate.ruleSets.first(where: { $0.version == verdict.ruleSet }) else {
      return page.add("Rules \(verdict.ruleSet): not known to this version.", indent: 2)
    }
    page.add("Rule by rule:", indent: 2)
    for finding in Gate.findings(verdict.facts, by: rules) {
      let name = finding.rule + String(repeating: " ", count: max(1, 20 - finding.rule.count))
      page.add("\(name)\(rules.version)  \(Self.words(finding.outcome))", indent: 4)
    }
    // A text that could not be made never came before the rules.
    let judged = Gate.judge(verdict.facts, by: rules).outcome
    if judged != verdict.outcome {
      page.add("Decided before the rules: \(Self.words(verdict.outcome))", indent: 4)
    }
  }

  private static func words(_ outcome: Verdict.Outcome) -> String {
    switch outcome {
    case .allowed: "nothing against it"
    case .held(let reason, let untilMicros):
      "holds it until \(Timestamp.text(untilMicros)): \(reason.rawValue)"
    case .refused(let reason): "refuses it: \(reason.rawValue)"
    }
  }

  private func write(_ recorded: RecordedEvent, _ json: JSON, to page: inout PDFDocument) {
    page.addSpace()
    page.add(Self.line(recorded))
    page.add("by \(recorded.context.actor) (\(recorded.context.origin))", indent: 2)
    for line in Self.lines(of: json["data"] ?? .null, path: "") { page.add(line, indent: 2) }
  }

  /// One line a value: `verdict.rule_set: 2026-11-21`.
  private static func lines(of value: JSON, path: String) -> [String] {
    switch value {
    case .object(let object):
      object.fields.flatMap { key, value in
        lines(of: value, path: path.isEmpty ? key : "\(path).\(key)")
      }
    case .array(let items) where items.contains { $0.object != nil || $0.array != nil }:
      items.enumerated().flatMap { lines(of: $1, path: "\(path)[\($0)]") }
    case .string(let text): ["\(path): \(text)"]
    case .int(let number): ["\(path): \(readable(number, path))"]
    default: ["\(path): \(value.text)"]
    }
  }

  private static let moments = [
    "at_micros", "now_micros", "until_micros", "open_micros", "due_micros", "before_micros",
  ]
  private static let amounts = [
    "amount_micros", "price_micros", "available_micros", "budget_micros", "today_micros",
  ]

  /// Moments and amounts of money as people write them, beside what is stored.
  private static func readable(_ number: Int64, _ path: String) -> String {
    if moments.contains(where: path.hasSuffix) { return "\(number) (\(Timestamp.text(number)))" }
    guard amounts.contains(where: path.hasSuffix) else { return String(number) }
    let (dollars, rest) = number.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    let digits = String(rest)
    let places = String(repeating: "0", count: 6 - digits.count) + digits
    return "\(number) (\(number < 0 ? "-" : "")$\(dollars).\(places))"
  }

  private func writeProof(_ page: inout PDFDocument) {
    page.add("Proof, and how to check it", .heading)
    page.add(
      "This file is part of a bundle. Each event above is a leaf of the account's Merkle tree (RFC 6962), whose"
        + " head is signed. proofs/<#>.tlog-proof proves that leaf, openings/ shows what it commits to, and the"
        + " manifest, signed with the same key, holds the SHA-256 of this file.")
    page.addSpace()
    page.add("Signed head (file checkpoint):")
    page.add(published.checkpoint, indent: 2)
    page.add("Verifier key. Compare it with one that came to you by another road:")
    page.add(published.verifierKey, indent: 2)
    page.addSpace()
    page.add("To check, offline, with either of two programs that share no code:")
    page.add("daybook verify bundle DIR --key '\(published.verifierKey)'", indent: 2)
    page.add("python3 verify_bundle.py DIR '\(published.verifierKey)'", indent: 2)
    page.add(
      "What they show: no event of the book is missing, moved or changed since the head was signed, and what is"
        + " opened is what was stored. What they do not show: that what was stored was true, and when, beyond"
        + " the log's own clock; and who an event is by, which the log keeps beside the tree.")
  }
}
