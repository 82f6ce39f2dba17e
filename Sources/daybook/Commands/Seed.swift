import CLI
import Crypto
import Domain
import EventLog
import JSON
import SeedData

private let contactsOption = Option("--contacts", value: "N", "how many contacts; 10000")
private let eventsOption = Option("--events", value: "N", "how many events, about; 100000")
private let seedOption = Option("--seed", value: "N", "another number, another history; 1")
private let untilOption = Option("--until", value: "DAY", "the last day, such as 2026-11-20; today")

let seedCommand = Command(
  "seed", "fill the log with a large made-up org, for measuring",
  details: """
    Ninety days of an org of its own, with campaigns, answers and a wallet: written
    straight to the log, through the same rules and codec as everything else. The
    same options give the same events, but for the API key, which is new. Nothing
    may serve in this home meanwhile. The read models follow when the system is
    started, or by 'daybook rebuild --all'.
    """,
  options: [contactsOption, eventsOption, seedOption, untilOption, .json]
) { invocation in
  let secret = "sk_test_" + Base64.encodeURL(Random.bytes(24))
  let options = try seedOptions(invocation, secret)
  let home = invocation.settings.home
  try prepare(home)
  let log = try makeLog(home)
  guard try log.orgs()[OrgID(options.org.value)] == nil else {
    await log.close()
    throw CommandError.logUnusable(
      path: home.log, reason: "it has this history already: choose another --seed")
  }
  let meter = SeedMeter(options.eventCount)
  let written = try await SeedData.write(options, to: log) { meter.show($0) }
  await log.close()
  Output.line(
    invocation.has(Option.json.flag)
      ? json(written, options.org, secret).text : text(written, options.org, secret))
  return .success
}

private func seedOptions(
  _ invocation: Invocation, _ secret: String
) throws(UsageError) -> SeedData.Options {
  func number(_ option: Option, _ fallback: UInt64) throws(UsageError) -> UInt64 {
    guard let text = invocation.value(option.flag) else { return fallback }
    return try wholeNumber(text, option.flag, in: "seed")
  }
  let contactCount = try number(contactsOption, 10_000)
  guard (1...UInt64(SeedData.contactLimit)).contains(contactCount) else {
    throw UsageError(
      "\(contactsOption.flag) is a whole number from 1 to \(SeedData.contactLimit).",
      command: "seed")
  }
  let dayMicros: Int64 = 86_400_000_000
  var untilMicros = SystemClock.nowMicros() / dayMicros * dayMicros
  if let text = invocation.value(untilOption.flag) {
    guard text.utf8.count == 10, let micros = Timestamp.micros(text) else {
      throw UsageError("\(untilOption.flag) is a day such as 2026-11-20.", command: "seed")
    }
    untilMicros = micros
  }
  return SeedData.Options(
    contactCount: Int(contactCount),
    eventCount: Int(clamping: try number(eventsOption, 100_000)),
    seed: try number(seedOption, 1), untilMicros: untilMicros,
    keyHash: Hex.encode(SHA256.hash(Array(secret.utf8))))
}

private func text(_ written: SeedData.Progress, _ org: Identifier, _ secret: String) -> String {
  """
  \(written.eventCount) events, \(written.contactCount) contacts, \(written.messageCount) messages
  Org  \(org.text)
  Key  \(secret)
  """
}

private func json(_ written: SeedData.Progress, _ org: Identifier, _ secret: String) -> JSON {
  [
    "org": .string(org.text), "api_key": .string(secret), "events": JSON(written.eventCount),
    "contacts": JSON(written.contactCount), "messages": JSON(written.messageCount),
  ]
}

/// Says on standard error how far it is, every two seconds.
private final class SeedMeter {
  private static let pause = Duration.seconds(2)
  private let goal: Int
  private let start = ContinuousClock.now
  private var lastShown = ContinuousClock.now

  init(_ goal: Int) { self.goal = goal }

  func show(_ progress: SeedData.Progress) {
    let now = ContinuousClock.now
    guard now - lastShown >= Self.pause else { return }
    lastShown = now
    let rate = Double(progress.eventCount) / ((now - start) / .seconds(1))
    let left = Double(max(0, goal - progress.eventCount)) / max(1, rate)
    Output.error(
      "  \(progress.eventCount) of \(goal) events, \(Int(rate)) events/s, \(Int(left)) s left")
  }
}
