package import Domain
internal import EventCodec
internal import JSON
package import ProjectionRuntime

/// What filters look at, and where that has put the contact.
package struct FactsRow: KeyedRow {
  package static let table = "contacts"
  package static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("created_at", .timestamp),
    Column("state", .jsonb), Column("activity", .jsonb), Column("memberships", .jsonb),
  ]

  package let key: ItemKey
  package var facts: ContactFacts
  /// By segment, then by time.
  var memberships: [Membership] = []

  init(key: ItemKey, createdAtMicros: Micros) {
    self.key = key
    facts = ContactFacts(Contact.State(), createdAtMicros: createdAtMicros)
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.timestamp(facts.createdAtMicros)
    writer.jsonb(ContactStateJSON.json(facts.state))
    writer.jsonb(ActivityJSON.json(facts.activity))
    writer.jsonb(.array(memberships.map(\.json)))
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    let createdAtMicros = try reader.timestamp()
    let state = ContactStateJSON.state(try reader.jsonb())
    facts = ContactFacts(
      state, createdAtMicros: createdAtMicros,
      activity: try ActivityJSON.activity(try reader.jsonb()))
    memberships = try (try reader.jsonb().array ?? []).map { json throws(RowError) in
      guard let membership = Membership(json: json) else {
        throw RowError(table: Self.table, reason: "memberships")
      }
      return membership
    }
  }
}

extension Membership {
  fileprivate var json: JSON {
    [
      .string(UUIDText.encode(segment)), .int(enteredAtMicros), .int(enteredPosition),
      JSON(leavesAtMicros), JSON(leavesPosition), .bool(isNoted),
    ]
  }

  fileprivate init?(json: JSON) {
    guard let values = json.array, values.count == 6,
      let segment = values[0].string.flatMap(UUIDText.decode),
      let enteredAtMicros = values[1].int, let enteredPosition = values[2].int,
      let isNoted = values[5].bool
    else { return nil }
    self.init(
      segment: segment, enteredAtMicros: enteredAtMicros, enteredPosition: enteredPosition,
      leavesAtMicros: values[3].int, leavesPosition: values[4].int, isNoted: isNoted)
  }
}

enum ActivityJSON {
  static func json(_ activity: Activity) -> JSON {
    .array(activity.moments.map { [.string($0.kind.rawValue), .int($0.atMicros)] })
  }

  static func activity(_ json: JSON) throws(RowError) -> Activity {
    var activity = Activity()
    for moment in json.array ?? [] {
      guard let values = moment.array, values.count == 2,
        let kind = values[0].string.flatMap(Activity.Kind.init), let atMicros = values[1].int
      else { throw RowError(table: FactsRow.table, reason: "activity") }
      activity.record(kind, atMicros: atMicros)
    }
    return activity
  }
}

/// A contact's state as JSON: the fields that are set, tags, consent.
enum ContactStateJSON {
  static func json(_ state: Contact.State) -> JSON {
    var object = JSONObject(fields(of: state))
    // Left out where it is not so: rows of before there were archived contacts say the same.
    if state.isArchived { object["archived"] = true }
    return .object(object)
  }

  private static func fields(of state: Contact.State) -> [(key: String, value: JSON)] {
    [
      ("source", .string(state.source)), ("erased", .bool(state.isErased)),
      ("fields", .object(JSONObject(state.details.fields.map { ($0.field, $0.value.json) }))),
      ("tags", .array(state.tags.sorted().map(JSON.string))),
      ("consents", .object(JSONObject(consents(state)))),
    ]
  }

  static func state(_ json: JSON) -> Contact.State {
    var state = Contact.State()
    state.exists = true
    state.source = json["source"]?.string ?? ""
    state.isErased = json["erased"]?.bool ?? false
    state.isArchived = json["archived"]?.bool ?? false
    for (field, value) in json["fields"]?.object?.fields ?? [] {
      state.details[field] = FieldValue(json: value)
    }
    state.tags = Set((json["tags"]?.array ?? []).compactMap(\.string))
    for (name, value) in json["consents"]?.object?.fields ?? [] {
      guard let channel = Channel(rawValue: name) else { continue }
      state.consents[channel] = status(value)
    }
    return state
  }

  private static func consents(_ state: Contact.State) -> [(key: String, value: JSON)] {
    Channel.allCases.compactMap { channel in
      switch state.consents[channel] {
      case nil: nil
      case .optedOut: (channel.rawValue, .null)
      case .optedIn(let purpose, let atMicros):
        (channel.rawValue, ["purpose": .string(purpose.rawValue), "at": .int(atMicros)])
      }
    }
  }

  private static func status(_ json: JSON) -> ConsentStatus {
    guard let purpose = json["purpose"]?.string.flatMap(Purpose.init), let at = json["at"]?.int
    else { return .optedOut }
    return .optedIn(purpose: purpose, atMicros: at)
  }
}
