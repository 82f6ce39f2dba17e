import JSON
import Testing

@testable import API

/// What every operation has to take and to say, found in the definitions: one that is new cannot miss
/// it, and an exception needs a line here with its reason.
@Suite struct ConventionTests {
  private var scoped: [API.Operation] {
    APIServer.operations.filter { operation in
      if case .scope = operation.access { true } else { false }
    }
  }

  private func has(_ operation: API.Operation, _ names: [String]) -> Bool {
    names.allSatisfy { name in operation.parameters.contains { $0.name == name } }
  }

  /// Lists of another kind.
  private static let notLists = [
    // A tail: its cursors are positions, and it never ends.
    "GET /api/events",
    // Reads the log from a position on, as that does: what it finds has one order.
    "GET /api/diff",
    // One line for each service, and for each kind of use: no objects of the account.
    "GET /api/providers", "GET /api/wallet/prices",
    // The list of contacts with its parameters as a body.
    "POST /api/contacts/search",
  ]

  @Test func `every list has cursors, filters, orders, counts and lines`() {
    for operation in APIServer.operations where operation.answers.first?.itemSchema != nil {
      let name = "\(operation.method) \(operation.path)"
      guard !Self.notLists.contains(name) else { continue }
      #expect(operation.list != nil, "\(name) is no Operation.list")
      let usual = ["limit", "after", "before", "sort", "filter", "count", "fields", "expand"]
      #expect(has(operation, usual), "\(name)")
      #expect(operation.isList, "\(name)")
      #expect(
        operation.answers.first?.contents.contains { $0.mediaType == "application/x-ndjson" }
          == true, "\(name)")
    }
  }

  @Test func `every order of a list is one of its fields`() throws {
    for operation in APIServer.operations {
      guard let list = operation.list else { continue }
      let fields = try #require(operation.answers.first?.fieldNames)
      for sort in list.sorts {
        let field = sort.hasPrefix("-") ? String(sort.dropFirst()) : sort
        // By first and last name, which are two fields.
        let isByTwo = operation.path == "/api/contacts" && field == "name"
        #expect(fields.contains(field) || isByTwo, "\(operation.name): \(sort)")
      }
    }
  }

  /// Nothing is written.
  private static let notWrites = [
    "POST /api/templates/{id}/preview", "POST /api/inbound-hooks/{id}/test",
    "POST /api/contacts/search",
  ]

  /// Writes that take no key and no reason.
  private static let notKeyed = [
    // Again with the same password it is refused: it is another one by then.
    "POST /api/session/password",
    // Read models are no part of the book: what is done to one is not there, only who ordered it.
    "POST /api/projections/{name}/rebuild", "DELETE /api/projections/{name}/rebuild",
    "POST /api/projections/{name}/drain",
  ]

  @Test func `every write can be tried, repeated and given a reason`() {
    for operation in scoped where operation.method != "GET" {
      let name = "\(operation.method) \(operation.path)"
      guard !Self.notWrites.contains(name) else { continue }
      #expect(has(operation, ["dry_run"]), "\(name)")
      guard !Self.notKeyed.contains(name) else { continue }
      #expect(has(operation, ["Idempotency-Key", "X-Actor-Reason"]), "\(name)")
      #expect(operation.statuses[409] != nil, "\(name)")
      guard operation.path.contains("{id}") else { continue }
      #expect(has(operation, ["If-Match"]), "\(name)")
      #expect(operation.statuses[412] != nil, "\(name)")
    }
  }

  @Test func `every operation takes a version and an account, and every read a position`() {
    for operation in scoped {
      #expect(has(operation, ["Api-Version", "Account"]), "\(operation.name)")
      guard operation.method == "GET" else { continue }
      #expect(has(operation, ["Min-Position", "wait"]), "\(operation.name)")
    }
  }

  /// Objects without a stream of their own, or whose stream is another's.
  private static let withoutHistory = [
    // Its events are the account's own book: `/api/events`.
    "/api/accounts/{id}",
    // A file of a day; a line of a log.
    "/api/audit/exports/{id}", "/api/request-logs/{id}",
    // Its events are the person's: `/api/contacts/{id}/history`.
    "/api/privacy/erasures/{id}",
    // It never changes.
    "/api/events/{id}",
  ]

  @Test func `every object has its history, its differences and its past`() {
    let paths = Set(APIServer.operations.filter { $0.method == "GET" }.map(\.path))
    for operation in scoped where operation.method == "GET" && operation.path.hasSuffix("/{id}") {
      guard !Self.withoutHistory.contains(operation.path) else { continue }
      #expect(paths.contains(operation.path + "/history"), "\(operation.path)")
      #expect(paths.contains(operation.path + "/diff"), "\(operation.path)")
      // A campaign's figures are counted over other facts, which keep no history.
      guard operation.path != "/api/campaigns/{id}" else { continue }
      #expect(has(operation, ["as_of"]), "\(operation.path)")
    }
  }

  /// What there is no other verb for, with its reason.
  private static let withoutVerb: [String: [String]] = [
    // `POST /api/contacts/import`; a file that was taken in stays so.
    "imports": ["POST", "PATCH", "DELETE"],
    // What was sent, paid or run cannot be undone: it is cancelled or refunded.
    "messages": ["PATCH", "DELETE"],
    "payments": ["POST", "PATCH", "DELETE"],
    // What happened.
    "events": ["POST", "PATCH", "DELETE"],
    "runs": ["POST", "PATCH", "DELETE"],
    // The operator makes and closes accounts.
    "accounts": ["POST", "PATCH", "DELETE"],
    "request-logs": ["POST", "PATCH", "DELETE"],
  ]

  @Test func `every object can be created, read, listed, changed and deleted`() {
    let known = Set(APIServer.operations.map { "\($0.method) \($0.path)" })
    for path in Set(scoped.filter { $0.method == "GET" }.map(\.path)) {
      let pieces = path.split(separator: "/")
      guard pieces.count == 3, pieces[2] == "{id}" else { continue }
      let name = String(pieces[1])
      let without = Self.withoutVerb[name] ?? []
      let base = "/api/\(name)"
      #expect(name == "runs" || known.contains("GET \(base)"), "\(base) has no list")
      if !without.contains("POST") { #expect(known.contains("POST \(base)"), "\(base)") }
      if !without.contains("PATCH") {
        let changes = known.contains("PATCH \(path)") || known.contains("PUT \(path)")
        #expect(changes, "\(path) cannot be changed")
      }
      if !without.contains("DELETE") { #expect(known.contains("DELETE \(path)"), "\(path)") }
    }
  }
}
