import Crypto
import JSON

/// Everything that the sandbox knows: the fold of its records.
struct World: Sendable {
  struct Number: Sendable {
    let account: String
    let inboundURL: String?
  }

  private(set) var accounts: [String: Account] = [:]
  /// The numbers that belong to accounts.
  private(set) var numbers: [String: Number] = [:]
  private(set) var messages: [Message] = []
  private(set) var dial = Dial()
  private(set) var arePaused = false
  private(set) var outcomes: [StepOutcome: Int] = [:]
  private(set) var pendingStepCount = 0
  private(set) var inboundCount = 0
  private(set) var receivedCount = 0
  private(set) var turnedAwayCount = 0
  /// By (to, body): how often a person got the same text.
  private var copies: [MessageKey: Int] = [:]
  private var turnedAway: Set<MessageKey> = []
  private var indexBySID: [String: Int] = [:]
  private var indexesByPerson: [String: [Int]] = [:]
  /// Our number, and who wants nothing more from it.
  private(set) var optOuts: [String: Set<String>] = [:]
  private var random = SeededRandom(seed: Dial().seed)
  /// What the other providers keep, and in which order it came.
  private(set) var documents: [DocumentKind: [String: JSON]] = [:]
  private(set) var documentOrder: [DocumentKind: [String]] = [:]
  private(set) var callbacks: [String: Callback] = [:]
  /// Those of them that nobody has taken up yet, in the order in which they were planned. No record: who starts
  /// anew takes up all of them.
  private var untaken: [Callback] = []
  private(set) var clockOffsetMillis: Int64 = 0

  init() {}

  /// The sandbox's own time: the real one, and what it was advanced by.
  var nowMillis: Int64 { Clock.nowMillis() + clockOffsetMillis }

  func document(_ kind: DocumentKind, _ id: String) -> JSON? { documents[kind]?[id] }

  /// Newest first.
  func all(_ kind: DocumentKind) -> [JSON] {
    (documentOrder[kind] ?? []).reversed().compactMap { documents[kind]?[$0] }
  }

  var uniqueCount: Int { copies.count }
  var duplicateCount: Int { receivedCount - copies.count }
  var people: [String] { Array(indexesByPerson.keys) }

  func index(of sid: String) -> Int? { indexBySID[sid] }

  /// The messages to and from `person`, oldest first.
  func indexes(ofPerson person: String) -> [Int] { indexesByPerson[person] ?? [] }

  func hasOptedOut(_ person: String, of number: String) -> Bool {
    optOuts[number]?.contains(person) ?? false
  }

  func wasTurnedAway(_ key: MessageKey) -> Bool { turnedAway.contains(key) }

  /// What was planned since the last call and is not done.
  mutating func takeCallbacks() -> [Callback] {
    defer { untaken = [] }
    return untaken.filter { callbacks[$0.id] != nil }
  }

  /// One draw of chance. Not a record: what chance decided is in the messages.
  mutating func chance(_ rate: Double) -> Bool { random.chance(rate) }
}

// MARK: - Fold

extension World {
  mutating func apply(_ record: Record) {
    switch record {
    case .accountRegistered(let account): register(account)
    case .messageTaken(let message, let answers):
      take(message)
      if let answers { advance(answers) }
    case .turnedAway(let key):
      turnedAway.insert(key)
      turnedAwayCount += 1
    case .stepDone(let sid, let outcome):
      advance(sid)
      outcomes[outcome, default: 0] += 1
    case .dialSet(let dial):
      self.dial = dial
      random = SeededRandom(seed: dial.seed)
    case .callbacksPaused(let arePaused): self.arePaused = arePaused
    case .documentSet(let kind, let id, let document):
      if documents[kind, default: [:]].updateValue(document, forKey: id) == nil {
        documentOrder[kind, default: []].append(id)
      }
    case .callbackPlanned(let callback):
      callbacks[callback.id] = callback
      untaken.append(callback)
    case .callbackDone(let id, let outcome):
      if callbacks.removeValue(forKey: id) != nil { outcomes[outcome, default: 0] += 1 }
    case .clockAdvanced(let millis): clockOffsetMillis += millis
    }
  }

  /// Registering an account again replaces its token and numbers.
  private mutating func register(_ account: Account) {
    for number in accounts[account.sid]?.numbers ?? [] {
      if numbers[number.phone]?.account == account.sid { numbers[number.phone] = nil }
    }
    accounts[account.sid] = account
    for number in account.numbers {
      numbers[number.phone] = Number(account: account.sid, inboundURL: number.inboundURL)
    }
  }

  private mutating func take(_ message: Message) {
    indexBySID[message.sid] = messages.count
    indexesByPerson[message.person, default: []].append(messages.count)
    messages.append(message)
    pendingStepCount += message.steps.count
    switch message.direction {
    case .outbound:
      receivedCount += 1
      copies[MessageKey(from: "", to: message.to, body: message.body), default: 0] += 1
    case .inbound:
      inboundCount += 1
      heed(message)
    case .reply: break
    }
  }

  private mutating func heed(_ message: Message) {
    switch Keyword(message.body) {
    case .stop: optOuts[message.to, default: []].insert(message.from)
    case .start: optOuts[message.to]?.remove(message.from)
    case .help, nil: break
    }
  }

  private mutating func advance(_ sid: String) {
    guard let index = indexBySID[sid] else { return }
    messages[index].doneCount += 1
    pendingStepCount -= 1
  }
}
