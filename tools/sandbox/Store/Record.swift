import JSON

/// What happened, as the journal keeps it. The state is the fold of all records (`World.apply`).
enum Record: Sendable {
  case accountRegistered(Account)
  /// `answers`: the message whose reply step this is; that step is done with it.
  case messageTaken(Message, answers: String?)
  /// The API turned a message away that it will take the next time.
  case turnedAway(MessageKey)
  /// A step of `sid` is done: `outcome` says how.
  case stepDone(sid: String, outcome: StepOutcome)
  case dialSet(Dial)
  case callbacksPaused(Bool)
  /// A thing of another provider than Twilio's messages, as it stands now.
  case documentSet(DocumentKind, id: String, JSON)
  case callbackPlanned(Callback)
  case callbackDone(id: String, outcome: StepOutcome)
  case clockAdvanced(millis: Int64)
}

/// How a callback ended.
enum StepOutcome: String, Sendable {
  case delivered
  /// The application answered with a status that a repetition would not change.
  case rejected
  /// The application could not be reached for as long as it is tried.
  case abandoned
}

/// What makes two messages the same to the person who gets them.
struct MessageKey: Hashable, Sendable {
  let from: String
  let to: String
  let body: String
}

// MARK: - As JSON

extension Record {
  /// The record as a line, with its end.
  var line: [UInt8] { json.bytes() + [UInt8(ascii: "\n")] }

  private var json: JSON {
    switch self {
    case .accountRegistered(let account): ["t": "account", "account": account.json]
    case .messageTaken(let message, let answers):
      ["t": "message", "message": message.record, "answers": JSON(answers)]
    case .turnedAway(let key):
      [
        "t": "turned_away", "from": .string(key.from), "to": .string(key.to),
        "body": .string(key.body),
      ]
    case .stepDone(let sid, let outcome):
      ["t": "step", "sid": .string(sid), "outcome": .string(outcome.rawValue)]
    case .dialSet(let dial): ["t": "dial", "dial": dial.json]
    case .callbacksPaused(let arePaused): ["t": "paused", "paused": .bool(arePaused)]
    case .documentSet(let kind, let id, let document):
      ["t": "document", "kind": .string(kind.rawValue), "id": .string(id), "document": document]
    case .callbackPlanned(let callback): ["t": "callback", "callback": callback.json]
    case .callbackDone(let id, let outcome):
      ["t": "callback_done", "id": .string(id), "outcome": .string(outcome.rawValue)]
    case .clockAdvanced(let millis): ["t": "clock", "millis": .int(millis)]
    }
  }

  /// Nil where the line is none that this sandbox writes.
  init?(line: ArraySlice<UInt8>) {
    guard let json = try? JSON(parsing: Array(line)), let type = json["t"]?.string,
      let record = Record(type: type, json)
    else { return nil }
    self = record
  }

  private init?(type: String, _ json: JSON) {
    switch type {
    case "account":
      guard let account = json["account"].flatMap(Account.init) else { return nil }
      self = .accountRegistered(account)
    case "message":
      guard let message = json["message"].flatMap(Message.init(record:)) else { return nil }
      self = .messageTaken(message, answers: json["answers"]?.string)
    case "turned_away":
      guard let from = json["from"]?.string, let to = json["to"]?.string,
        let body = json["body"]?.string
      else { return nil }
      self = .turnedAway(MessageKey(from: from, to: to, body: body))
    case "step":
      guard let sid = json["sid"]?.string,
        let outcome = json["outcome"]?.string.flatMap(StepOutcome.init(rawValue:))
      else { return nil }
      self = .stepDone(sid: sid, outcome: outcome)
    case "dial":
      guard let dial = try? json["dial"].map({ try Dial().updated(with: $0) }) else { return nil }
      self = .dialSet(dial)
    case "paused":
      guard let arePaused = json["paused"]?.bool else { return nil }
      self = .callbacksPaused(arePaused)
    default:
      guard let record = Record(otherType: type, json) else { return nil }
      self = record
    }
  }

  private init?(otherType type: String, _ json: JSON) {
    switch type {
    case "document":
      guard let kind = json["kind"]?.string.flatMap(DocumentKind.init(rawValue:)),
        let id = json["id"]?.string, let document = json["document"]
      else { return nil }
      self = .documentSet(kind, id: id, document)
    case "callback":
      guard let callback = json["callback"].flatMap(Callback.init) else { return nil }
      self = .callbackPlanned(callback)
    case "callback_done":
      guard let id = json["id"]?.string,
        let outcome = json["outcome"]?.string.flatMap(StepOutcome.init(rawValue:))
      else { return nil }
      self = .callbackDone(id: id, outcome: outcome)
    case "clock":
      guard let millis = json["millis"]?.int else { return nil }
      self = .clockAdvanced(millis: millis)
    default: return nil
    }
  }
}

extension Account {
  /// As the control API takes it and the journal keeps it.
  init?(_ json: JSON) {
    guard let sid = json["account_sid"]?.string, let token = json["auth_token"]?.string,
      let items = json["numbers"]?.array
    else { return nil }
    var numbers: [Number] = []
    for item in items {
      guard let phone = item["phone"]?.string else { return nil }
      numbers.append(Number(phone: phone, inboundURL: item["inbound_url"]?.string))
    }
    self.init(sid: sid, authToken: token, numbers: numbers)
  }

  var json: JSON {
    [
      "account_sid": .string(sid), "auth_token": .string(authToken),
      "numbers": .array(
        numbers.map { ["phone": .string($0.phone), "inbound_url": JSON($0.inboundURL)] }),
    ]
  }
}

extension Message {
  fileprivate var record: JSON {
    [
      "sid": .string(sid), "account": .string(account), "direction": .string(direction.rawValue),
      "from": .string(from), "to": .string(to), "body": .string(body),
      "created": .int(createdAtMillis), "url": JSON(url),
      "behaviour": .string(plan.behaviour.rawValue), "delay": .int(plan.delayMillis),
      "duplicated": .bool(plan.isDuplicated), "reordered": .bool(plan.isReordered),
    ]
  }

  fileprivate init?(record json: JSON) {
    guard let sid = json["sid"]?.string, let account = json["account"]?.string,
      let direction = json["direction"]?.string.flatMap(Direction.init(rawValue:)),
      let from = json["from"]?.string, let to = json["to"]?.string,
      let body = json["body"]?.string, let created = json["created"]?.int,
      let behaviour = json["behaviour"]?.string.flatMap(Behaviour.init(rawValue:)),
      let delay = json["delay"]?.int, let isDuplicated = json["duplicated"]?.bool,
      let isReordered = json["reordered"]?.bool
    else { return nil }
    self.init(
      sid: sid, account: account, direction: direction, from: from, to: to, body: body,
      createdAtMillis: created, url: json["url"]?.string,
      plan: CallbackPlan(
        behaviour: behaviour, delayMillis: delay, isDuplicated: isDuplicated,
        isReordered: isReordered))
  }
}
