import EventLog

/// CRM events of the mix of `bench/gen_events.py`: the same types, weights, fields and lengths, with what is
/// personal (names, addresses, numbers, message bodies) in a part under the contact's key.
struct EventMix {
  private static let types: [(name: String, weight: Int)] = [
    ("contact.created", 5), ("contact.tagged", 8), ("message.queued", 20), ("message.sent", 20),
    ("message.delivered", 18), ("message.received", 6), ("wallet.debited", 20),
    ("workflow.step_advanced", 12), ("email.opened", 6), ("contact.opted_out", 1),
  ]
  private static let firstNames = [
    "James", "Mary", "Wei", "Fatima", "Carlos", "Olga", "Amir", "Sofia", "Liam", "Noah",
  ]
  private static let lastNames = [
    "Smith", "Garcia", "Kim", "Müller", "Rossi", "Okafor", "Singh", "Ivanov", "Silva", "Brown",
  ]
  private static let tags = ["vip", "webinar", "hot", "cold", "newsletter"]
  private static let totalWeight = types.reduce(0) { $0 + $1.weight }

  private var random: SplitMix
  let orgs: [OrgID]
  /// A contact belongs to one org.
  let contacts: [[UInt128]]
  private(set) var timeMicros: Int64 = 1_763_600_000_000_000

  init(seed: UInt64, orgCount: Int = 20, contactCount: Int = 20_000) {
    var random = SplitMix(state: seed)
    orgs = (0..<orgCount).map { _ in OrgID(random.wide()) }
    contacts = (0..<orgCount).map { _ in
      (0..<max(1, contactCount / orgCount)).map { _ in random.wide() }
    }
    self.random = random
  }

  /// Goes on with other events of the same orgs and contacts.
  mutating func diverge(by number: UInt64) { random.state &+= number &* 0xD1B5_4A32_D192_ED03 }

  /// A commit of `eventCount` events of one org; with `isSealed` each has a personal part, otherwise
  /// those have one that hold personal fields.
  mutating func commit(eventCount: Int, isAlwaysSealed: Bool? = nil) -> Commit {
    timeMicros += Int64(random.below(40_000))
    let org = random.below(orgs.count)
    let events = (0..<eventCount).map { _ in event(of: org, isAlwaysSealed: isAlwaysSealed) }
    return Commit(
      org: orgs[org], events: events,
      context: CommitContext(
        actor: "user:\(1 + random.below(50))", origin: "api", correlation: uuid(),
        occurredAtMicros: timeMicros))
  }

  private mutating func event(of org: Int, isAlwaysSealed: Bool?) -> NewEvent {
    let contact = contacts[org][random.below(contacts[org].count)]
    let type = type()
    let (open, personal) = fields(of: type)
    var parts = [Part(subject: nil, payload: Array(open.utf8))]
    switch isAlwaysSealed {
    case nil:
      if let personal {
        parts.append(Part(subject: SubjectID(contact), payload: Array(personal.utf8)))
      }
    case true?:
      let bytes = Array((personal ?? #"{"note":"called back, wants a quote by Friday"}"#).utf8)
      parts.append(Part(subject: SubjectID(contact), payload: bytes))
    case false?:
      parts[0] = Part(subject: nil, payload: Array((open + (personal ?? "")).utf8))
    }
    return NewEvent(stream: StreamID(contact), type: type, schemaVersion: 1, parts: parts)
  }

  private mutating func type() -> String {
    var point = random.below(Self.totalWeight)
    for type in Self.types {
      if point < type.weight { return type.name }
      point -= type.weight
    }
    preconditionFailure("the weights add up")
  }

  private mutating func fields(of type: String) -> (open: String, personal: String?) {
    let first = Self.firstNames[random.below(10)]
    switch type {
    case "contact.created":
      let source = ["web_form", "csv", "api", "ghl"][random.below(4)]
      return (
        #"{"source":"\#(source)","tags":["lead"]}"#,
        #"{"name":"\#(first) \#(Self.lastNames[random.below(10)])","email":"\#(first.lowercased())\#(random.below(99999))@example.com","phone":"\#(phone())"}"#
      )
    case "contact.tagged":
      return (#"{"tag":"\#(Self.tags[random.below(5)])"}"#, nil)
    case "message.queued", "message.sent", "message.delivered", "message.received":
      return (
        #"{"channel":"sms","from":"+15550100\#(100 + random.below(900))","segments":1,"sid":"SM\#(hex(32))"}"#,
        #"{"to":"\#(phone())","body":"\#(body(first))"}"#
      )
    case "wallet.debited":
      return (
        #"{"wallet":"w-1","amount":"0.0120","currency":"USD","resource":"sms","resource_id":"SM\#(hex(32))","balance":"\#(random.below(500)).\#(1000 + random.below(9000))"}"#,
        nil
      )
    case "workflow.step_advanced":
      return (
        #"{"workflow":"wf-\#(random.below(30))","run":"\#(uuid())","step":"step-\#(random.below(12))","outcome":"ok"}"#,
        nil
      )
    default:
      return (
        #"{"campaign":"c-\#(random.below(99))"}"#, #"{"ip":"203.0.113.\#(random.below(254))"}"#
      )
    }
  }

  private mutating func body(_ name: String) -> String {
    let quote = 1000 + random.below(9000)
    let bodies = [
      "Hi \(name), your appointment is tomorrow at 3pm. Reply STOP to unsubscribe.",
      "Flash sale! 20% off all services this week only. Reply STOP to opt out.",
      "Thanks \(name)! Your quote is ready: https://acme.example/q/\(quote)", "Yes please",
      "STOP", "Can you call me after 5?", "Reminder: invoice \(quote) is due.",
    ]
    return bodies[random.below(bodies.count)]
  }

  private mutating func phone() -> String {
    "+1\(201 + random.below(789))\(1_000_000 + random.below(9_000_000))"
  }

  private mutating func hex(_ count: Int) -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<count).map { _ in digits[random.below(16)] })
  }

  private mutating func uuid() -> String {
    "\(hex(8))-\(hex(4))-\(hex(4))-\(hex(4))-\(hex(12))"
  }
}

/// SplitMix64: the same numbers on any machine.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  mutating func wide() -> UInt128 { UInt128(next()) << 64 | UInt128(next()) }
}
