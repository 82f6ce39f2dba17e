import Domain

/// A seeded history of people, segments and money: the same commits for the same seed.
struct RandomHistory: Sendable {
  private struct Entry: Sendable {
    let who: Who
    let events: [(stream: Identifier, event: DomainEvent)]
  }

  private let commits: [Entry]

  init(seed: UInt64, commitCount: Int) {
    var maker = Maker(random: SeededNumbers(state: seed))
    commits = (0..<commitCount).map { _ in
      let who = Who(org: maker.random.below(3) == 0 ? other : acme)
      return Entry(who: who, events: maker.commit(of: who.org))
    }
  }

  /// Appends the first of them and gives the last position.
  @discardableResult
  func append(to history: History, commits count: Int) async throws -> UInt64 {
    try await append(to: history, commits: 0..<count)
  }

  /// Appends some of them, which have to be the next ones, and gives the last position.
  @discardableResult
  func append(to history: History, commits range: Range<Int>) async throws -> UInt64 {
    var position: UInt64 = 0
    for commit in commits[range] {
      position = try await history.commit(commit.events, by: commit.who)
    }
    return position
  }

  private struct Maker {
    var random: SeededNumbers
    private var made: [Identifier: [Identifier]] = [:]
    private var segments: [Identifier: [Identifier]] = [:]
    private var tags: [Identifier: Set<String>] = [:]
    private var nextID: UInt128 = 0x1000

    init(random: SeededNumbers) { self.random = random }

    mutating func commit(of org: Identifier) -> [(stream: Identifier, event: DomainEvent)] {
      let contacts = made[org] ?? []
      switch random.below(10) {
      case 0...2: return [newContact(of: org)]
      case 3: return [definition(of: org)]
      case 4: return money(of: org)
      default:
        guard !contacts.isEmpty else { return [newContact(of: org)] }
        return (0...random.below(3)).map { _ in
          let contact = contacts[random.below(contacts.count)]
          return (contact, change(of: contact))
        }
      }
    }

    private mutating func id(_ kind: Identifier.Kind) -> Identifier {
      nextID += 1
      return Identifier(kind, nextID)
    }

    private mutating func newContact(
      of org: Identifier
    ) -> (stream: Identifier, event: DomainEvent) {
      let contact = id(.contact)
      made[org, default: []].append(contact)
      return (
        contact, created("N\(random.below(9))", phone: "+1202555\(1000 + random.below(9000))")
      )
    }

    /// A new segment, or another meaning or the end of one of the org's.
    private mutating func definition(
      of org: Identifier
    ) -> (stream: Identifier, event: DomainEvent) {
      let filter = Filter.condition(
        .init(field: "tags", comparison: .contains, value: .text("t\(random.below(4))")))
      let known = segments[org] ?? []
      guard !known.isEmpty, random.below(2) == 0 else {
        let segment = id(.segment)
        segments[org, default: []].append(segment)
        return (segment, .segment(.created(name: "S\(nextID)", filter: filter)))
      }
      let place = random.below(known.count)
      guard random.below(4) == 0 else {
        return (known[place], .segment(.updated(name: "S\(nextID)", filter: filter)))
      }
      segments[org]?.remove(at: place)
      return (known[place], .segment(.deleted))
    }

    private mutating func money(
      of org: Identifier
    ) -> [(stream: Identifier, event: DomainEvent)] {
      let wallet = id(.wallet)
      return [
        (wallet, .wallet(.opened)),
        (
          wallet,
          .wallet(
            .funded(
              amountMicros: Int64(1 + random.below(9)) * 1_000_000, paymentID: "p\(nextID)",
              method: "card"))
        ),
        (wallet, .wallet(.debited(charge(10_000, "SM\(nextID)")))),
      ]
    }

    private mutating func change(of contact: Identifier) -> DomainEvent {
      let tag = "t\(random.below(4))"
      switch random.below(4) {
      case 0: return updated(FieldChange(field: "first_name", value: .text("N\(random.below(9))")))
      case 1: return optedIn()
      case 2 where tags[contact]?.contains(tag) == true:
        tags[contact]?.remove(tag)
        return untagged(tag)
      default:
        tags[contact, default: []].insert(tag)
        return tagged(tag)
      }
    }
  }
}

/// SplitMix64.
struct SeededNumbers: Sendable {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ (mixed >> 31)).multipliedFullWidth(by: UInt64(bound)).high)
  }
}
