import Application
import Domain
import HTTP
import JSON
import Testing

@testable import API

@Suite struct DefinitionTests {
  @Test func `every operation has a name of its own`() {
    let names = APIServer.operations.map(\.name)
    #expect(Set(names).count == names.count)
  }

  @Test func `every documented error code is explained`() {
    let known = Set(ErrorCatalogue.entries.map(\.code))
    for operation in APIServer.operations {
      for code in operation.statuses.values.joined() {
        #expect(known.contains(code), "\(operation.name): \(code)")
      }
    }
    #expect(known.count == ErrorCatalogue.entries.count, "a code is explained twice")
  }

  @Test func `what the input's shapes and rules refuse is among the codes`() throws {
    func codes(_ name: String) throws -> Set<String> {
      let operation = try #require(
        APIServer.operations.first { "\($0.method) \($0.path)" == name }, "\(name)")
      return Set(operation.statuses[400] ?? [])
    }
    for (name, expected) in [
      (
        "POST /api/contacts", ["invalid_email", "invalid_phone", "nothing_to_identify", "required"]
      ),
      ("POST /api/segments", ["invalid_filter"]), ("POST /api/users", ["required", "too_long"]),
      ("POST /api/webhook-endpoints", ["invalid_url", "unknown_event_type"]),
      ("POST /api/campaigns", ["unknown_segment"]),
      ("POST /api/wallet/add-funds", ["out_of_range"]),
      ("POST /api/suppressions", ["invalid_phone"]),
      ("GET /api/contacts", ["out_of_range", "invalid_as_of", "invalid_json", "invalid_value"]),
      ("GET /api/wallet/statement", ["invalid_time", "position_in_future"]),
      ("POST /api/messages", ["idempotency_key_required", "unsupported_header"]),
    ] {
      #expect(try codes(name).isSuperset(of: expected), "\(name)")
    }
  }

  @Test func `no code of an operation is named twice`() {
    for operation in APIServer.operations {
      for (status, codes) in operation.statuses {
        #expect(Set(codes).count == codes.count, "\(operation.name): \(status)")
      }
    }
  }

  @Test func `every example fits its schema`() {
    for operation in APIServer.operations {
      guard let body = operation.body, let example = body.example,
        let schema = body.jsonSchema
      else { continue }
      #expect(schema.problems(in: example, at: "").isEmpty, "\(operation.name)")
    }
  }

  @Test func `every answer in JSON shows an example that fits its schema`() {
    for operation in APIServer.operations {
      for content in operation.answers.flatMap(\.contents)
      where content.mediaType == "application/json" {
        let problems = content.schema.problems(in: content.schema.example, at: "")
        #expect(problems.isEmpty, "\(operation.name)")
      }
    }
  }

  @Test func `every operation that takes JSON shows an example`() {
    for operation in APIServer.operations
    where operation.access != .signed && operation.body?.jsonSchema != nil {
      #expect(operation.body?.example != nil, "\(operation.name)")
    }
  }
}

@Suite struct SchemaTests {
  private let schema = Schema.input(
    "Thing",
    [
      .required("name", .string(1...5)), .optional("count", .int(0...9)),
      .optional("color", .choice(["red", "green"]).nullable), .optional("owner", .id(.contact)),
      .optional("parts", .array(.input([.required("size", .int())]), 0...2)),
    ])

  private func faults(_ value: JSON) -> [String] {
    schema.problems(in: value, at: "").map { "\($0.param) \($0.code)" }
  }

  @Test func `what fits has no faults`() {
    #expect(faults(["name": "Bolt", "count": 3, "color": nil, "parts": [["size": 1]]]) == [])
  }

  @Test func `all faults are found at once, each with its place`() {
    let found = faults([
      "name": "", "count": 10, "color": "blue", "owner": "con_x",
      "parts": [["size": "big"], ["sizes": 1], ["size": 1]], "nome": 1,
    ])
    #expect(
      found == [
        "name required", "count out_of_range", "color invalid_value", "owner invalid_id",
        "parts too_many", "parts[0].size invalid_type", "parts[1].size required",
        "parts[1].sizes unknown_parameter", "nome unknown_parameter",
      ])
  }

  @Test func `null is no value where the field does not say so`() {
    #expect(faults(["name": nil]) == ["name invalid_type"])
  }

  @Test func `length counts characters, not bytes`() {
    #expect(faults(["name": "ÄÖÜäö"]) == [])
    #expect(faults(["name": "ÄÖÜäöü"]) == ["name too_long"])
  }

  @Test func `the document describes what the check does`() {
    var components: [String: JSON] = [:]
    #expect(schema.document(&components) == ["$ref": "#/components/schemas/Thing"])
    #expect(components["Thing"]?["additionalProperties"] == false)
    #expect(components["Thing"]?["required"] == ["name"])
    let color = components["Thing"]?["properties"]?["color"]
    #expect(color == ["type": ["string", "null"], "enum": ["red", "green", nil]])
  }
}

@Suite struct SchemaRuleTests {
  private static let even = SchemaRule.text(refuses: ["odd"]) { text, _ throws(CommandError) in
    guard text.count.isMultiple(of: 2) else {
      throw .invalid(field: "text", code: "odd", message: "Odd.")
    }
  }

  private let schema = Schema.input([
    .optional("word", .string(0...5).nullable.ruled(by: even), "A word."),
    .optional("words", .array(.input([.optional("word", .string().ruled(by: even))]))),
    .optional("more", .map(.string().ruled(by: even))),
  ]).ruled(
    by: .object(refuses: ["missing"]) { object, _ in
      ["word", "words", "none"].filter { object[$0] == nil }.map {
        .invalid(field: $0, code: "missing", message: "Missing.")
      }
    })

  private func faults(_ value: JSON) -> [String] {
    let tools = Tools(
      clock: NoWorld(), random: NoWorld(), numbers: NoWorld(), zones: NoWorld())
    return schema.problems(in: value, asking: RuleContext(tools: tools, nowMicros: 0))
      .map { "\($0.param) \($0.code)" }
  }

  @Test func `rules say what is wrong with parts that have their shape, each at its place`() {
    let found = faults([
      "more": ["a": "x", "b": "xx", "c": 1], "words": [["word": "x"], ["word": "xx"], 1],
      "word": "x", "other": 1,
    ])
    #expect(
      found == [
        "words[2] invalid_type", "more.c invalid_type", "other unknown_parameter", "more.a odd",
        "words[0].word odd", "word odd", "none missing",
      ])
  }

  @Test func `nothing more is said of a field that is wrong, or of which a part is`() {
    #expect(
      faults(["word": "sevenxy", "words": 1])
        == ["word too_long", "words invalid_type", "none missing"])
    var errors: [APIError.Detail] = []
    for param in ["tags[0]", "tags", "tagsy", "tags[0]", "a.b", "a", "tags[0].x"] {
      errors.adopt(APIError.Detail(param: param, code: "", message: ""))
    }
    #expect(errors.map(\.param) == ["tags[0]", "tagsy", "a.b", "tags[0].x"])
  }

  @Test func `what rules refuse is known beside what the shape does`() {
    #expect(
      schema.faultCodes == [
        "invalid_type", "invalid_value", "too_long", "too_many", "unknown_parameter", "odd",
        "missing",
      ])
  }

  @Test func `a request that nobody refused is not asked by rules`() {
    #expect(schema.problems(in: ["word": "x"], at: "").isEmpty)
  }
}

/// What rules about a text's length ask nothing of.
private struct NoWorld: WallClock, RandomSource, NumberingPlan, ZoneClock {
  func nowMicros() -> Micros { 0 }
  func next() -> UInt128 { 0 }
  func e164(_ raw: String) -> String? { nil }
  func zones(of number: String) -> [String] { [] }
  func regions(of number: String) -> [String] { [] }
  func zones(ofRegion region: String) -> [String] { [] }
  func time(in zone: String, atMicros: Micros, opensAtMinute: Int) -> ZoneTime? { nil }
}

@Suite struct RouterTests {
  private let router = Router([
    RouterTests.operation("GET", "/api/things"),
    RouterTests.operation("POST", "/api/things/import"),
    RouterTests.operation("GET", "/api/things/{id}"),
    RouterTests.operation("DELETE", "/api/things/{id}/tags/{tag}"),
  ])

  private static func operation(_ method: String, _ path: String) -> API.Operation {
    Operation(method, path, .open, "A test", answers: [.nothing]) { _ in
      HTTPResponse(status: 204)
    }
  }

  private func found(_ method: String, _ path: String) -> String {
    switch router.match(method, HTTPRequest(method: method, target: path).pathSegments) {
    case .found(let operation, let parameters):
      ([operation.path] + parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        .joined(separator: " ")
    case .methodNotAllowed(let methods): "only " + methods.joined(separator: " ")
    case .notFound: "nothing"
    }
  }

  @Test func `a literal wins over a placeholder`() {
    #expect(found("POST", "/api/things/import") == "/api/things/import")
    #expect(found("GET", "/api/things/import") == "/api/things/{id} id=import")
  }

  @Test func `a slash inside a piece stays inside`() {
    let path = "/api/things/t1/tags/a%2Fb"
    #expect(found("DELETE", path) == "/api/things/{id}/tags/{tag} id=t1 tag=a/b")
  }

  @Test func `another method names those that there are`() {
    #expect(found("PATCH", "/api/things/t1") == "only GET HEAD")
    #expect(found("PUT", "/api/things/import") == "only POST")
    #expect(found("GET", "/api/other") == "nothing")
  }
}
