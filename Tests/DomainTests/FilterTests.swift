import Domain
import EventCodec
import JSON
import Testing

@Suite struct FilterTests {
  static let contact: Contact.State = {
    var state = Contact.State()
    state.exists = true
    state.details = ContactDetails(
      firstName: "Zoë", email: "Zoe@Example.com",
      custom: ["age": .number(42), "size": .text("9"), "member": .flag(true), "note": .text("")])
    state.source = "csv"
    state.tags = ["VIP", "webinar"]
    state.consents = [.sms: .optedIn(purpose: .marketing, atMicros: 1), .email: .optedOut]
    return state
  }()

  @Test(arguments: [
    // text, without case
    (#"{"field":"first_name","op":"eq","value":"zoë"}"#, true),
    (#"{"field":"first_name","op":"ne","value":"ZOË"}"#, false),
    (#"{"field":"email","op":"contains","value":"@example."}"#, true),
    (#"{"field":"email","op":"contains","value":""}"#, true),
    (#"{"field":"email","op":"contains","value":"@sample."}"#, false),
    (#"{"field":"email","op":"starts_with","value":"ZOE"}"#, true),
    (#"{"field":"email","op":"starts_with","value":"example"}"#, false),
    (#"{"field":"first_name","op":"gt","value":"yann"}"#, true),
    (#"{"field":"source","op":"eq","value":"csv"}"#, true),
    // numbers
    (#"{"field":"custom.age","op":"gt","value":9}"#, true),
    (#"{"field":"custom.age","op":"gte","value":42.0}"#, true),
    (#"{"field":"custom.age","op":"lt","value":42}"#, false),
    (#"{"field":"custom.age","op":"lte","value":"42"}"#, true),
    (#"{"field":"custom.age","op":"eq","value":"42.0"}"#, true),
    (#"{"field":"custom.age","op":"contains","value":"2"}"#, true),
    (#"{"field":"custom.size","op":"lt","value":10}"#, true),
    (#"{"field":"custom.size","op":"lt","value":"10"}"#, false),
    (#"{"field":"first_name","op":"lt","value":10}"#, false),
    (#"{"field":"first_name","op":"eq","value":10}"#, false),
    (#"{"field":"first_name","op":"ne","value":10}"#, true),
    // flags
    (#"{"field":"custom.member","op":"eq","value":true}"#, true),
    (#"{"field":"custom.member","op":"eq","value":"TRUE"}"#, true),
    (#"{"field":"custom.member","op":"eq","value":false}"#, false),
    (#"{"field":"custom.member","op":"gt","value":1}"#, false),
    // tags
    (#"{"field":"tags","op":"contains","value":"vip"}"#, true),
    (#"{"field":"tags","op":"contains","value":"vi"}"#, false),
    (#"{"field":"tags","op":"exists"}"#, true),
    (#"{"field":"tags","op":"exists","value":false}"#, false),
    // consent
    (#"{"field":"consent.sms","op":"eq","value":"opted_in"}"#, true),
    (#"{"field":"consent.email","op":"eq","value":"opted_out"}"#, true),
    (#"{"field":"consent.voice","op":"eq","value":"none"}"#, true),
    (#"{"field":"consent.voice","op":"ne","value":"none"}"#, false),
    // what is not there
    (#"{"field":"last_name","op":"eq","value":""}"#, false),
    (#"{"field":"last_name","op":"ne","value":"x"}"#, true),
    (#"{"field":"last_name","op":"contains","value":""}"#, false),
    (#"{"field":"last_name","op":"lt","value":"x"}"#, false),
    (#"{"field":"last_name","op":"exists"}"#, false),
    (#"{"field":"last_name","op":"exists","value":false}"#, true),
    (#"{"field":"custom.note","op":"exists"}"#, true),
    // all, any, not
    (#"{"all":[]}"#, true), (#"{"any":[]}"#, false), (#"{"not":{"any":[]}}"#, true),
    (#"{"all":[{"field":"tags","op":"contains","value":"vip"},{"any":[]}]}"#, false),
    (#"{"any":[{"field":"tags","op":"contains","value":"vip"},{"any":[]}]}"#, true),
  ])
  func `a filter means what it says`(json: String, isMatch: Bool) throws {
    let filter = try FilterGrammar.parse(JSON(parsing: json))
    #expect(filter.matches(ContactFacts(Self.contact), atMicros: 0) == isMatch)
  }

  @Test func `nobody who is erased or was never there matches`() {
    var erased = Self.contact
    erased.isErased = true
    #expect(!Filter.all([]).matches(ContactFacts(erased), atMicros: 0))
    #expect(!Filter.not(.any([])).matches(ContactFacts(Contact.initialState), atMicros: 0))
  }

  @Test(arguments: [
    (#"[]"#, "", "must be an object, not an array"),
    (#"{}"#, "", "must have exactly one of `all`, `any`, `not`, or a `field` or `event`"),
    (
      #"{"all":[],"any":[]}"#, "",
      "must have exactly one of `all`, `any`, `not`, or a `field` or `event`"
    ),
    (#"{"none":[]}"#, "none", "is not known here"),
    (#"{"all":{}}"#, "all", "must be a list, not an object"),
    (#"{"all":[{"any":[]},{"not":null}]}"#, "all[1].not", "must be an object, not null"),
    (#"{"not":{"field":1,"op":"eq","value":1}}"#, "not.field", "must be a text"),
    (
      #"{"field":"email","op":"is","value":1}"#, "op",
      "must be one of eq, ne, contains, starts_with, gt, gte, lt, lte, exists, in_last, in_next, older_than"
    ),
    (#"{"field":"email","op":"eq"}"#, "value", "must be a text, a number or a boolean"),
    (
      #"{"field":"email","op":"eq","value":null}"#, "value", "must be a text, a number or a boolean"
    ),
    (#"{"field":"email","op":"eq","value":"a","case":1}"#, "case", "is not known here"),
    (#"{"field":"shoe","op":"eq","value":"a"}"#, "field", "is not a field of contacts"),
    (#"{"field":"custom.","op":"exists"}"#, "field", "is not a field of contacts"),
    (#"{"field":"consent.fax","op":"eq","value":"none"}"#, "field", "is not a field of contacts"),
    (
      #"{"any":[{"field":"tags","op":"eq","value":"a"}]}"#, "any[0].op",
      "must be one of contains, exists for this field"
    ),
    (
      #"{"field":"consent.sms","op":"eq","value":"yes"}"#, "value",
      "must be opted_in, opted_out or none"
    ),
    (
      #"{"field":"email","op":"exists","value":"yes"}"#, "value",
      "must be true or false with exists"
    ),
  ])
  func `a wrong filter says where and what`(json: String, path: String, message: String) throws {
    let error = #expect(throws: FilterError.self) { try FilterGrammar.parse(JSON(parsing: json)) }
    #expect(error?.path == path)
    #expect(error?.message == message)
  }

  @Test func `a filter has so many parts, and what is stored is read however large`() throws {
    let limit = FilterGrammar.partLimit
    let vip: JSON = ["field": "tags", "op": "contains", "value": "vip"]
    let most: JSON = ["any": .array(Array(repeating: vip, count: limit - 1))]
    #expect(try FilterGrammar.parse(most).partCount == limit)
    // Groups cost too, also those without a condition.
    for part in [vip, ["all": []], ["not": vip]] as [JSON] {
      let tooMany: JSON = ["any": .array(Array(repeating: part, count: limit))]
      let error = #expect(throws: FilterError.self) { try FilterGrammar.parse(tooMany) }
      #expect(error?.description.contains("at most \(limit)") == true)
      #expect(throws: FilterError.self) { try FilterGrammar.asked(tooMany) }
      #expect(try FilterGrammar.shape(of: tooMany).partCount > limit)
    }
  }

  @Test func `a filter names what it depends on, once each`() throws {
    let filter = Filter.all([
      SegmentTests.vip, .not(SegmentTests.vip),
      .condition(Filter.Condition(field: "email", comparison: .exists, value: .flag(true))),
    ])
    #expect(filter.dependencies == ["email", "tags"])
  }

  /// Goal: `not` is the opposite, and `ne` the opposite of `eq`, for any filter. Method: 300 seeds.
  @Test(arguments: 0..<300 as Range<UInt64>)
  func `a filter and its negation never agree`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let filter = random.filter()
    let facts = ContactFacts(Self.contact)
    try #require(
      filter.matches(facts, atMicros: 0) != Filter.not(filter).matches(facts, atMicros: 0))
    let field = random.one(of: ["tags", "custom.age", "email", "last_name", "consent.sms"])
    let value = random.fieldValue()
    let answers = [Filter.Condition.Operator.equals, .notEquals].map {
      Filter.condition(Filter.Condition(field: field, comparison: $0, value: value))
        .matches(facts, atMicros: 0)
    }
    try #require(answers[0] != answers[1], "seed \(seed)")
  }
}
