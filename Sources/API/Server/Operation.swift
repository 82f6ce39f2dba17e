import Application
import Domain
import HTTP
import JSON

// How to add an operation.
//
//     Operation(
//       "POST", "/api/things", .scope("things:write"), "Create a thing",
//       body: .json(ThingSchemas.input, example: ["name": "Anvil"]),
//       answers: [.created(ThingSchemas.thing)], refuses: [409: ["duplicate_thing"]],
//       handler: create)
//     Operation.list(
//       "/api/things", "things:read", "List things",
//       parameters: [.query("color", .choice(Color.self), "Only these.")],
//       of: ThingSchemas.thing, rows: list)
//
// 1. Define it in the `all` of its resource, and add that `all` to `APIServer.operations` once.
//    A list is an `Operation.list`: cursors, filters, orders, counts and lines come with it.
// 2. Input is a closed `Schema.input("ThingInput", [...])`, output an open `Schema.object("Thing",
//    [...])`; both live in `Sources/API/<Resource>/<Resource>Schemas.swift`. Describe what the handler
//    really takes: the server checks the request against it before the handler runs, and
//    `/openapi.json` and `/docs` show it.
// 3. `exchange.body()` gives the checked body. Add what a schema cannot say with `fields.fail`, then
//    call `finish()`: the caller gets all of it at once. What the command refuses by itself and the body alone
//    shows, is a `SchemaRule` beside the schema (`.ruled(by:)`), so that it is told along.
// 4. `refuses` names only what is special to the operation, as status: codes. What follows from the
//    definition (400, 401, 403, 404 for an id in the path, 409 for idempotency, 429, 503, …) is added
//    by itself: `Definition/ErrorCodes.swift` has what the shapes and rules of its input lead to. An answer with a
//    status that is not documented is reported as a fault.
// 5. A new code goes into `ErrorCatalogue.swift` with what it means.
// 6. Writes go through `exchange.write { … }`: idempotency, `dry_run`, `Log-Position` and the names of
//    the events come with it.

/// Who may call an operation.
package enum Access: Sendable, Equatable {
  /// Anybody: liveness, the sign-in, the console's files.
  case open
  /// The caller proves itself by the request's own signature.
  case signed
  /// An API key or a signed-in user whose scopes hold this one (`contacts:read`, …).
  case scope(String)
  /// A signed-in user about themselves: there is no right that they could lack, whatever their role. An API key is
  /// nobody's self.
  case oneself
  /// The operator's token, which only this machine's operator can read.
  case operation

  /// Whether the caller is somebody of an account.
  var isOfAccount: Bool {
    switch self {
    case .scope, .oneself: true
    case .open, .signed, .operation: false
    }
  }

  /// Whether rights that hold `scopes` suffice for `action`; of a caller who is somebody of an account.
  func isAllowed(_ scopes: [String], _ action: String) -> Bool {
    switch self {
    case .scope(let scope): Scope.allows(scopes, scope, orAlone: action)
    case .oneself: true
    case .open, .signed, .operation: false
    }
  }
}

package enum IdempotencyRule: Sendable, Equatable {
  /// Nothing is written, or the request's own signature says what it is: a key says nothing more.
  case ignored
  /// What it does is no event, so that no commit could hold the key: a request that brings one is refused, since its
  /// sender would rely on it.
  case refused
  case optional
  case required
}

/// What a request may carry, by media type.
package struct RequestBody: Sendable {
  package struct Content: Sendable {
    package let mediaType: String
    package let schema: Schema
  }

  package let contents: [Content]
  /// A body that works.
  package let example: JSON?
  /// The same in the other media types.
  var textExamples: [String: String] = [:]
  /// Whether a request without one is refused. An order to change or replace something must not come true because
  /// a client lost its body on the way.
  package let isRequired: Bool
  /// The most that it may have; nil: what is usual.
  let limitBytes: Int?

  /// What a caller may bring who is known, and who proves itself by the body.
  static let usualBytes = 1 << 20
  /// What anybody may bring.
  static let openBytes = 64 << 10
  /// A mail with what is attached to it. Source: SendGrid, "Setting up the Inbound Parse Webhook": 30 MB.
  static let mailBytes = 30 << 20
  /// Texts of half a million characters, of up to twelve bytes each (two escapes) and twice.
  static let textBytes = 12 << 20

  package static func json(
    _ schema: Schema, example: JSON? = nil, limitBytes: Int? = nil
  ) -> RequestBody {
    RequestBody(
      contents: [Content(mediaType: "application/json", schema: schema)], example: example,
      isRequired: true, limitBytes: limitBytes)
  }

  /// Of an action that is a whole order without it: no body is `{}`.
  package static func optionalJSON(_ schema: Schema, example: JSON? = nil) -> RequestBody {
    RequestBody(
      contents: [Content(mediaType: "application/json", schema: schema)], example: example,
      isRequired: false, limitBytes: nil)
  }

  /// Several media types; only `application/json` is checked before the handler.
  package static func of(
    _ contents: [(mediaType: String, schema: Schema)], example: JSON? = nil,
    texts: [String: String] = [:], limitBytes: Int? = nil
  ) -> RequestBody {
    RequestBody(
      contents: contents.map { Content(mediaType: $0.mediaType, schema: $0.schema) },
      example: example, textExamples: texts, isRequired: true, limitBytes: limitBytes)
  }

  var jsonSchema: Schema? { contents.first { $0.mediaType == "application/json" }?.schema }
}

/// One way in which an operation succeeds.
package struct AnswerDefinition: Sendable {
  package let status: Int
  package let description: String
  package let contents: [RequestBody.Content]

  package init(_ status: Int, _ description: String, _ schema: Schema? = nil) {
    self.init(
      status, description,
      contents: schema.map { [RequestBody.Content(mediaType: "application/json", schema: $0)] }
        ?? [])
  }

  package init(_ status: Int, _ description: String, contents: [RequestBody.Content]) {
    self.status = status
    self.description = description
    self.contents = contents
  }

  /// The fields of the object that it shows, or of the objects of a list.
  var fieldNames: [String] {
    guard let json = contents.first(where: { $0.mediaType == "application/json" }),
      case .object(let properties, _) = json.schema.shape
    else { return [] }
    if case .array(let item, _)? = properties.first(where: { $0.name == "data" })?.schema.shape,
      properties.contains(where: { $0.name == "has_more" }),
      case .object(let inner, _) = item.shape
    {
      return inner.map(\.name)
    }
    return properties.map(\.name)
  }

  /// The same, or a JSON answer of another shape.
  func or(_ other: Schema) -> AnswerDefinition {
    var contents = contents
    if let index = contents.firstIndex(where: { $0.mediaType == "application/json" }) {
      contents[index] = RequestBody.Content(
        mediaType: "application/json", schema: .either([contents[index].schema, other]))
    } else {
      contents.append(RequestBody.Content(mediaType: "application/json", schema: other))
    }
    return AnswerDefinition(status, description, contents: contents)
  }

  package static func ok(_ schema: Schema) -> AnswerDefinition {
    AnswerDefinition(200, "Done.", schema)
  }
  package static func created(_ schema: Schema) -> AnswerDefinition {
    AnswerDefinition(201, "Created.", schema)
  }
  /// A page of a list.
  package static func list(_ item: Schema) -> AnswerDefinition {
    AnswerDefinition(
      200, "A page of the list; with `Accept: application/x-ndjson` all of it, an object a line.",
      contents: [
        RequestBody.Content(mediaType: "application/json", schema: .list(of: item)),
        RequestBody.Content(mediaType: "application/x-ndjson", schema: .string(0...Int.max)),
      ])
  }
  package static let tried = AnswerDefinition(200, "With `dry_run`: what would follow.", .dryRun)
  static func trial(_ schema: Schema) -> AnswerDefinition {
    AnswerDefinition(200, "With `dry_run`: what would follow.", schema)
  }
  package static let nothing = AnswerDefinition(204, "Done; there is nothing to say.")

  package static func text(_ mediaType: String, _ description: String) -> AnswerDefinition {
    AnswerDefinition(
      200, description,
      contents: [RequestBody.Content(mediaType: mediaType, schema: .string(0...Int.max))])
  }
}

/// One operation: what routes the request, checks it, answers it and describes it.
///
/// A class: it goes along with every request, and has many parts.
package final class Operation: Sendable {
  package typealias Search = @Sendable (Exchange) throws(APIError) -> HTTPRequest
  package typealias Handler = @Sendable (Exchange) async throws(APIError) -> HTTPResponse

  package let method: String
  /// Such as `/api/contacts/{id}`.
  package let path: String
  package let access: Access
  /// Rights to other resources that it shows.
  let alsoNeeds: [String]
  /// A few words, as a title.
  package let summary: String
  package let details: String
  /// The query parameters and headers of its own; an unknown query parameter is an error.
  package let parameters: [Parameter]
  package let body: RequestBody?
  package let answers: [AnswerDefinition]
  /// Every status that it may answer with, and the error codes of each.
  package let statuses: [Int: [String]]
  package let idempotency: IdempotencyRule
  package let handler: Handler
  /// What a list takes and gives; nil for everything else.
  let list: ListDefinition?
  /// Of a read whose parameters come as a body: the same request with them as parameters, which the handler gets.
  let search: Search?
  /// `PATCH /api/contacts/{id}`.
  let title: String
  /// The names in braces of its path.
  package let placeholders: [String]
  /// What it does with the resource of its scope, in the words of custom roles.
  let action: String
  /// Whether it answers pages of a list.
  let isList: Bool
  /// Whether it counts or groups many rows.
  let isReport: Bool

  init(
    _ method: String, _ path: String, _ access: Access, alsoNeeds: [String] = [], _ summary: String,
    details: String = "", parameters: [Parameter] = [], body: RequestBody? = nil,
    answers: [AnswerDefinition],
    refuses: [Int: [String]] = [:], idempotency: IdempotencyRule? = nil,
    list: ListDefinition? = nil, search: Search? = nil, handler: @escaping Handler
  ) {
    self.list = list
    self.search = search
    self.method = method
    self.path = path
    self.access = access
    self.alsoNeeds = alsoNeeds
    self.summary = summary
    self.details = details
    self.body = body
    self.idempotency = idempotency ?? (method == "GET" ? .ignored : .optional)
    self.handler = handler
    precondition(!answers.isEmpty && !summary.isEmpty, "\(method) \(path) is not described")
    let isKeyed = self.idempotency == .optional || self.idempotency == .required
    let all = Self.all(
      parameters, access, isKeyed: isKeyed, self.idempotency, method, path, answers)
    self.parameters = all
    isList = Self.isList(method, all) || search != nil
    placeholders = Self.placeholders(of: path)
    title = "\(method) \(path)"
    action = Self.action(method, path, access)
    isReport = Self.isReport(method, path)
    self.answers = isKeyed ? Self.orTried(answers) : answers
    var statuses = Self.usualStatuses(
      access, method, hasBody: body != nil, path: path, isKeyed: isKeyed)
    if all.contains(where: { $0.name == Parameter.ifMatch.name }) {
      statuses[412] = ["version_mismatch"]
    }
    if access != .signed {
      statuses[400] = Self.faultCodes(method, all, body, self.idempotency)
    }
    for answer in self.answers { statuses[answer.status, default: []] += [] }
    for (status, codes) in refuses {
      let known = Set(statuses[status] ?? [])
      statuses[status, default: []] += codes.filter { !known.contains($0) }
    }
    self.statuses = statuses
  }

  /// Its own parameters and those that follow from what it is.
  private static func all(
    _ own: [Parameter], _ access: Access, isKeyed: Bool, _ idempotency: IdempotencyRule,
    _ method: String, _ path: String, _ answers: [AnswerDefinition]
  ) -> [Parameter] {
    var usual: [Parameter] = []
    if isKeyed {
      usual += [
        .idempotencyKey(required: idempotency == .required), .dryRun, .waitForProjection,
      ]
    }
    if isKeyed, path.contains("{id}") { usual.append(.ifMatch) }
    if isKeyed, access.isOfAccount { usual.append(.actorReason) }
    if access.isOfAccount {
      usual += [.account, .apiVersion]
      if method == "GET" { usual += [.minPosition, .wait] }
      let names = method == "GET" ? answers.first?.fieldNames ?? [] : []
      if !names.isEmpty { usual += [.fields(names), .expand(names)] }
    }
    return own + usual.filter { extra in !own.contains { $0.name == extra.name } }
  }

  /// With `dry_run=true` every write answers what it would have done.
  private static func orTried(_ answers: [AnswerDefinition]) -> [AnswerDefinition] {
    var all = answers
    guard let index = all.firstIndex(where: { $0.status == 200 }) else {
      return all + [.tried]
    }
    all[index] = all[index].or(.dryRun)
    return all
  }

  /// What an operation may answer with whatever it does.
  private static func usualStatuses(
    _ access: Access, _ method: String, hasBody: Bool, path: String, isKeyed: Bool
  ) -> [Int: [String]] {
    var all: [Int: [String]] = [
      500: ["internal", "unreadable_event", "log_corrupted", "key_missing", "storage_failure"],
      503: ["overloaded", "stopping", "log_closed", "contacts_unreadable"],
      414: ["target_too_long"], 431: ["headers_too_large"],
    ]
    switch access {
    case .open: break
    case .signed: all[403] = ["invalid_signature"]
    case .operation: all[401] = ["unauthorized"]
    case .oneself:
      all[401] = ["unauthorized"]
      all[403] = ["account_not_reachable", "csrf_token_required", "account_archived"]
    case .scope:
      all[401] = [
        "unauthorized", "invalid_api_key", "api_key_expired", "signature_required",
        "invalid_signature", "signature_expired", "signature_replayed",
        "signature_too_old",
      ]
      all[403] = [
        "missing_scope", "account_not_reachable", "csrf_token_required", "address_not_allowed",
        "account_archived",
      ]
      all[429] = ["rate_limited"]
      if method == "GET" {
        all[503]? += [
          "read_model_behind", "read_model_unavailable", "read_timeout", "client_gone",
        ]
      }
    }
    guard access != .signed else {
      // Before anything is signed, it has to be well-formed HTTP.
      all[400] = ["malformed_request"]
      if hasBody { all[413] = ["body_too_large"] }
      return all
    }
    // Also where no body is wanted: it is not read to its end.
    all[413] = ["body_too_large"]
    if hasBody {
      all[413]? += ["invalid_commit"]
      all[415] = ["unsupported_media_type"]
    }
    if path.contains("{") { all[404] = ["not_found"] }
    if isKeyed {
      all[409] = [
        "idempotency_mismatch", "idempotency_in_progress", "version_conflict", "sequence_conflict",
        "not_allowed_now", "already_exists",
      ]
      all[503]? += ["log_overloaded", "log_full", "log_read_only", "outcome_unknown"]
    }
    return all
  }

  /// The same with a further parameter, answered by `other` where it is given.
  func with(_ parameter: Parameter, other: @escaping Handler) -> Operation {
    Operation(
      self, parameters: parameters + [parameter],
      handler: { [handler] exchange throws(APIError) in
        guard exchange.query(parameter.name) != nil else { return try await handler(exchange) }
        return try await other(exchange)
      })
  }

  private init(
    _ original: Operation, parameters: [Parameter], handler: @escaping Handler
  ) {
    method = original.method
    path = original.path
    access = original.access
    alsoNeeds = original.alsoNeeds
    summary = original.summary
    details = original.details
    self.parameters = parameters
    body = original.body
    answers = original.answers
    var statuses = original.statuses
    let known = Set(statuses[400] ?? [])
    let further = Set(parameters.flatMap(\.faultCodes)).subtracting(known)
    statuses[400, default: []] += further.sorted()
    self.statuses = statuses
    idempotency = original.idempotency
    self.handler = handler
    list = original.list
    search = original.search
    placeholders = original.placeholders
    title = original.title
    action = original.action
    isList = Self.isList(original.method, parameters) || search != nil
    isReport = original.isReport
  }

  /// Its name in generated clients: `get_contacts_id`.
  package var name: String {
    let pieces = path.split(separator: "/").filter { $0 != "api" }.map {
      $0.filter { $0 != "{" && $0 != "}" }.map { $0.isLetter || $0.isNumber ? $0 : "_" }
    }
    return ([method.lowercased()] + pieces.map { String($0) }).joined(separator: "_")
  }

  private static func action(_ method: String, _ path: String, _ access: Access) -> String {
    // Also by POST: a search, a preview.
    if case .scope(let scope) = access, scope.hasSuffix(":read") { return "read" }
    return switch method {
    case "GET": "read"
    case "DELETE": "delete"
    case "POST": path.contains("{") ? "update" : "create"
    default: "update"
    }
  }

  private static func isList(_ method: String, _ parameters: [Parameter]) -> Bool {
    method == "GET" && parameters.contains { $0.name == "after" }
  }

  private static func isReport(_ method: String, _ path: String) -> Bool {
    method == "GET"
      && (path.hasPrefix("/api/analytics/") || path.hasPrefix("/api/audit/events")
        || path == "/api/campaigns" || path == "/api/segments")
  }

  /// Whether it is for those who look after the installation.
  var isForOperators: Bool { access == .operation || path == "/metrics" }

  /// The most bytes that a request for it may bring.
  var bodyLimitBytes: Int {
    body?.limitBytes ?? (access == .open ? RequestBody.openBytes : RequestBody.usualBytes)
  }

  /// The narrowest right that suffices.
  var right: String {
    guard case .scope(let scope) = access else { return "" }
    return Self.right(scope, action)
  }

  /// The right that rights which hold `scopes` lack; nil where they suffice.
  func lacks(_ scopes: [String]) -> String? {
    guard access.isAllowed(scopes, action) else { return right }
    return alsoNeeds.first { !Scope.allows(scopes, $0) }
  }

  static func right(_ scope: String, _ action: String) -> String {
    scope.hasSuffix(":write") ? "\(scope.dropLast(5))\(action)" : scope
  }

  /// The resource it belongs to: `contacts`.
  package var resource: String {
    let pieces = path.split(separator: "/")
    let name = pieces.first { $0 != "api" && $0 != "operator" } ?? "api"
    return path.hasPrefix("/api/") || path.hasPrefix("/webhooks/") ? String(name) : "operating"
  }

  private static func placeholders(of path: String) -> [String] {
    path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
      String($0.dropFirst().dropLast())
    }
  }
}
