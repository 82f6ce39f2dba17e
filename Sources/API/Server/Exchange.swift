import Application
import Crypto
import Domain
import EventCodec
import EventLog
import HTTP
import JSON
import Synchronization

/// Who calls and on whose behalf.
package struct Caller: Sendable {
  /// `key:key_…` or `user:usr_…`; with the agency's id behind it when it acts on a client.
  package var actor: String
  package var origin: String
  /// The org that the key or user belongs to.
  package var home: Identifier
  /// The org that the request is about.
  package var org: Identifier
  package var scopes: [String]
  package var user: Identifier?
  var key: Directory.KeyEntry?
  /// Of the secret or the password that the caller proved to know: a key has two for a while, and passwords change.
  var proofHash: String?
  var session: SessionCodec.Session?
  /// When they were looked up.
  let seen: Seen

  /// Whether the rights hold `scope`, or `action` on the same resource alone.
  func allows(_ scope: String, _ action: String) -> Bool {
    Scope.allows(scopes, scope, orAlone: action)
  }
}

/// One request on its way through the API.
package struct Exchange: Sendable {
  package let request: HTTPRequest
  package let requestID: String
  package let services: Services
  package let operation: Operation
  /// What stands at the placeholders of the operation's path.
  package let path: [String: String]
  /// nil on open and signed operations.
  package let knownCaller: Caller?

  var caller: Caller {
    guard let knownCaller else { preconditionFailure("open operations have no caller") }
    return knownCaller
  }

  var org: Identifier { caller.org }

  var engine: Engine { services.engine }

  /// The org's own clock.
  var nowMicros: Micros {
    engine.tools.clock.nowMicros() + (engine.directory.org(org)?.clockOffsetMicros ?? 0)
  }

  func executor() throws(APIError) -> OrgExecutor { try executor(for: org) }

  func executor(for org: Identifier) throws(APIError) -> OrgExecutor {
    do {
      return try engine.executor(for: org)
    } catch {
      throw APIError(error)
    }
  }

  /// The id at a placeholder; 404 where it is none of this kind, as for one that does not exist.
  func id(_ name: String = "id", _ kind: Identifier.Kind) throws(APIError) -> Identifier {
    guard let text = path[name], let id = Identifier(text, kind: kind) else {
      throw .notFound(kind.name)
    }
    return id
  }
}

// MARK: - Input

extension Exchange {
  /// The body as a JSON object, with what its schema finds wrong in it; no body, where none is needed, is `{}`.
  func body() throws(APIError) -> Fields {
    let value = try jsonBody()
    guard let object = value.object else {
      throw .invalid("body", "invalid_json", "The body must be a JSON object, not \(value.kind).")
    }
    guard let schema = operation.body?.jsonSchema else {
      preconditionFailure("\(operation.name) reads a body that it does not define")
    }
    return Fields(object, problems: schema.problems(in: value, at: ""))
  }

  private func jsonBody() throws(APIError) -> JSON {
    guard !request.body.isEmpty else { return .object(JSONObject()) }
    do {
      return try JSON(parsing: request.body)
    } catch {
      throw .invalid("body", "invalid_json", "The body is not valid JSON: \(error).")
    }
  }

  /// Refuses a body where the operation takes none, none where it needs one, and media types that it does not know.
  func checkBody() throws(APIError) {
    guard operation.access != .signed else { return }
    guard !request.body.isEmpty else {
      guard operation.body?.isRequired == true else { return }
      throw .invalid("body", "required", "Send a body: this does nothing without one.")
    }
    guard let body = operation.body else {
      guard try jsonBody().object?.isEmpty == true else {
        throw .invalid("body", "unexpected_body", "This takes no body.")
      }
      return
    }
    if let coding = request.headers["content-encoding"], !HTTPHeaders.equal(coding, "identity") {
      throw APIError(
        415, "invalid_request", "unsupported_media_type",
        "Send the body as it is, without Content-Encoding.")
    }
    let mediaType = request.mediaType ?? body.contents[0].mediaType
    guard body.contents.contains(where: { $0.mediaType == mediaType }) else {
      let known = body.contents.map(\.mediaType).joined(separator: ", ")
      throw APIError(
        415, "invalid_request", "unsupported_media_type",
        "Send the body as \(known), not \(mediaType.prefix(100)).")
    }
    try request.requireUTF8()
  }

  /// For what an operation does besides what its method says.
  ///
  /// - Throws: 403 where the caller may not do `action`.
  func require(_ scope: String, _ action: String) throws(APIError) {
    guard caller.allows(scope, action) else {
      let resource = scope.prefix { $0 != ":" }
      throw APIError(
        403, "permission", "missing_scope", "This needs the right \(resource):\(action) too.")
    }
  }

  func query(_ name: String) -> String? { request.queryValue(name) }

  /// `limit`, 1 to 200.
  func limit() throws(APIError) -> Int {
    guard let text = query("limit") else { return 50 }
    guard let limit = Int(text), (1...200).contains(limit) else {
      throw .invalid("limit", "out_of_range", "limit is a whole number from 1 to 200.")
    }
    return limit
  }

  func queryTime(_ name: String) throws(APIError) -> Micros? {
    guard let text = query(name) else { return nil }
    guard let micros = Timestamp.micros(text) else {
      throw .invalid(name, "invalid_time", "\(name) is a time such as 2026-11-21T08:00:00Z.")
    }
    return micros
  }

  func queryID(_ name: String, _ kind: Identifier.Kind) throws(APIError) -> Identifier? {
    guard let text = query(name) else { return nil }
    guard let id = Identifier(text, kind: kind) else {
      throw .invalid(name, "invalid_id", "\(name) is an id such as \(kind.rawValue)_….")
    }
    return id
  }
}

extension Exchange {
  /// The same exchange about another page.
  func with(_ request: HTTPRequest) -> Exchange {
    Exchange(
      request: request, requestID: requestID, services: services, operation: operation,
      path: path, knownCaller: knownCaller)
  }

  /// The same request about an account that the caller reaches, whatever the header `Account` says.
  func acting(on org: Identifier) throws(APIError) -> Exchange {
    guard engine.directory.reaches(org, from: caller.home) else { throw .notFound("account") }
    var exchange = atHome()
    guard org != caller.home else { return exchange }
    var caller = exchange.caller
    caller.org = org
    caller.actor += " for:\(caller.home)"
    exchange = Exchange(
      request: request, requestID: requestID, services: services, operation: operation,
      path: path, knownCaller: caller)
    return exchange
  }

  /// The same request about the caller's own account, whatever client it acts on.
  func atHome() -> Exchange {
    var caller = caller
    if caller.org != caller.home {
      caller.actor = String(caller.actor.prefix { $0 != " " })
      caller.org = caller.home
    }
    return Exchange(
      request: request, requestID: requestID, services: services, operation: operation,
      path: path, knownCaller: caller)
  }
}

extension HTTPRequest {
  /// JSON is UTF-8 (RFC 8259, section 8.1): where another charset is named, some of the letters would be others.
  ///
  /// - Throws: 415. A file of rows says for itself how it is written.
  func requireUTF8() throws(APIError) {
    // Most name none, and taking a header apart costs as much as reading it did.
    guard let header = headers["content-type"], header.utf8.contains(UInt8(ascii: ";")),
      mediaType?.hasSuffix("json") == true
    else { return }
    for parameter in header.split(separator: ";").dropFirst() {
      let parts = parameter.split(separator: "=", maxSplits: 1).map {
        $0.filter { $0 != " " && $0 != "\"" && $0 != "\t" }.lowercased()
      }
      guard parts.first == "charset", !["utf-8", "utf8"].contains(parts.last ?? "") else {
        continue
      }
      throw APIError(
        415, "invalid_request", "unsupported_media_type", "Send JSON in UTF-8.")
    }
  }
}

// MARK: - Writing

/// What a write came to: what it answered, or the receipt of its first time.
struct Written<Output: Sendable>: Sendable {
  let output: Output?
  let receipt: WriteReceipt
}

struct WriteReceipt: Sendable {
  /// Log position to wait for on reads.
  let position: UInt64
  let isReplay: Bool
  /// The events it wrote, in order.
  let events: [Identifier]
  /// The streams it touched, the object itself first.
  let versions: [(stream: UInt128, version: UInt64)]

  func version(of id: Identifier) -> UInt64 {
    versions.first { $0.stream == id.value }?.version ?? .max
  }
}

extension Exchange {
  /// Carries out a command for the caller. `object`: what `If-Match` is about where the path does not say it.
  nonisolated(nonsending) func write<Output: Sendable>(
    about object: Identifier? = nil,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(APIError) -> Written<Output> {
    try await write(to: try executor(), try call(about: object), body)
  }

  /// Carries out a command in an account's book, once per idempotency key: one that changes nothing is written down for
  /// its key alone, since it might change something when it is sent again.
  nonisolated(nonsending) func write<Output: Sendable>(
    to executor: OrgExecutor, _ call: Call,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(APIError) -> Written<Output> {
    let output = Mutex<Output?>(nil)
    let done: CommandOutcome
    do {
      if isDryRun {
        try tellRepeated(call, in: executor.org)
        throw APIError.tried(try await executor.preview(call, body))
      }
      try requireStanding()
      let isKeyed = call.idempotencyKey != nil
      let subject = path["id"].flatMap { Identifier($0) } ?? executor.org
      done = try await executor.carryOut(call) { workspace throws(CommandError) in
        let answer = try body(&workspace)
        if isKeyed, !workspace.hasChanges {
          try workspace.recordNoEffect(on: answer as? Identifier ?? subject)
        }
        output.withLock { $0 = answer }
      }
    } catch let error as APIError {
      throw error
    } catch let error as CommandError {
      throw APIError(error)
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
    var position = done.receipt?.lastPosition
    if position == nil { position = await executor.lastPosition }
    let receipt = WriteReceipt(
      position: position ?? 0, isReplay: done.isReplay,
      events: done.receipt?.eventIDs ?? [],
      versions: try versions(after: done.receipt, of: executor.org))
    return Written(output: done.isReplay ? nil : output.withLock { $0 }, receipt: receipt)
  }

  /// What a commit made of the streams that it touched; of a request that had no effect, its subject first, as it was
  /// then.
  func versions(
    after receipt: Receipt?, of org: Identifier
  ) throws(APIError) -> [(stream: UInt128, version: UInt64)] {
    guard let receipt else { return [] }
    let versions = receipt.versions.map { ($0.stream.value, $0.version) }
    guard receipt.eventCount == 1, versions.first?.0 == org.value else { return versions }
    let event: RecordedEvent?
    let subject: Identifier
    do {
      event = try engine.log.read(
        after: receipt.lastPosition - 1, limit: 1, filter: EventFilter(org: OrgID(org.value))
      ).events.first
      guard let event, case .org(.requestHadNoEffect(let id)) = try EventCodec.decode(event).event
      else { return versions }
      subject = id
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      throw APIError(.unreadable(reason: "\(error)"))
    }
    guard subject != org,
      let version = try version(of: subject, at: receipt.lastPosition, in: org)
    else { return versions }
    return [(subject.value, version)] + versions
  }

  /// The last version of an object at a position, by halving: positions grow along a stream. nil: not there yet.
  func version(
    of id: Identifier, at position: UInt64, in org: Identifier
  ) throws(APIError) -> UInt64? {
    var before: UInt64 = 0
    do {
      var after = try engine.version(of: id, in: org) + 1
      while after - before > 1 {
        let middle = before + (after - before) / 2
        let event = try engine.log.readStream(
          org: OrgID(org.value), stream: StreamID(id.value), from: middle, limit: 1,
          direction: .forwards
        ).first
        if let event, event.position <= position { before = middle } else { after = middle }
      }
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch let error as CommandError {
      throw APIError(error)
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
    return before == 0 ? nil : before
  }

  /// With `dry_run` ends the request with what an order of the operator's would write into these accounts' books.
  func tryOut<Output: Sendable>(
    on executors: [OrgExecutor], _ call: Call,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(APIError) {
    guard isDryRun else { return }
    var events: [PlannedEvent] = []
    for executor in executors {
      do {
        events += try await executor.preview(call, body)
      } catch {
        throw APIError(error)
      }
    }
    throw .tried(events)
  }

  /// Ends the trial of a request whose key was used: refused where that was another request, else nothing would be
  /// written, and the answer says why.
  func tellRepeated(_ call: Call, in org: Identifier) throws(APIError) {
    guard try isAnswered(call.idempotencyKey, in: org) else { return }
    var answer = APIError.tried([])
    answer.headers.set("idempotent-replayed", "true")
    throw answer
  }

  /// Whether the caller only wants to know what would follow.
  var isDryRun: Bool { query("dry_run") == "true" }

  /// The account as a write to its own settings left it; `updatedAtMicros` is the account's time of that write.
  func account(at receipt: WriteReceipt) throws(APIError) -> Snapshot<Org.State> {
    try account(org, at: receipt)
  }

  func account(
    _ org: Identifier, at receipt: WriteReceipt
  ) throws(APIError) -> Snapshot<Org.State> {
    do {
      return try engine.org(org, version: receipt.version(of: org))
    } catch {
      throw APIError(error)
    }
  }

  /// Whether the object's first event is one of those that the write left.
  func created(_ id: Identifier, by receipt: WriteReceipt) throws(APIError) -> Bool {
    do {
      let first = try engine.log.readStream(
        org: OrgID(org.value), stream: StreamID(id.value), from: 1, limit: 1,
        direction: .forwards
      ).first
      return first.map { event in
        receipt.events.contains { RecordedDomainEvent.position(ofEventID: $0) == event.position }
      } ?? false
    } catch {
      throw APIError(.log(error))
    }
  }

  /// `object`: what `If-Match` is about where the path does not say it.
  func call(about object: Identifier? = nil) throws(APIError) -> Call {
    var call = Call(
      actor: caller.actor, origin: caller.origin, correlation: requestID,
      idempotencyKey: try idempotencyName())
    call.expected = try expectation(of: call, about: object, in: org)
    call.reason = request.headers["x-actor-reason"]
    return call
  }

  /// An order of the operator's to the account `org`.
  func operatorCall(
    actor: String = "operator", origin: String = "cli", in org: Identifier,
    about object: Identifier? = nil
  ) throws(APIError) -> Call {
    var call = Call(
      actor: actor, origin: origin, correlation: requestID, idempotencyKey: try idempotencyName())
    call.expected = try expectation(of: call, about: object, in: org)
    return call
  }

  /// What `If-Match` says about `object` or that of the path. A stale one is refused here, unless the request was
  /// carried out under its key, and so may have made it stale itself; whoever changes the object in the same moment
  /// loses against the log's own check.
  private func expectation(
    of call: Call, about object: Identifier?, in org: Identifier
  ) throws(APIError) -> ExpectedObject? {
    guard let versions = try expectedVersions(),
      let id = object ?? path["id"].flatMap({ Identifier($0) })
    else { return nil }
    let actual: UInt64
    do {
      actual = try engine.version(of: id, in: org)
    } catch {
      throw APIError(error)
    }
    guard !versions.contains(actual) else { return ExpectedObject(id: id, version: actual) }
    guard try isAnswered(call.idempotencyKey, in: org) else {
      throw .versionMismatch(expected: versions, actual: actual)
    }
    return ExpectedObject(id: id, version: versions.last ?? 0)
  }

  /// Whether a request was carried out under the key in the book of `org`.
  func isAnswered(_ key: IdempotencyName?, in org: Identifier) throws(APIError) -> Bool {
    guard let key else { return false }
    do {
      return try engine.log.receipt(
        org: OrgID(org.value),
        idempotencyKey: key.key) != nil
    } catch {
      throw APIError(.log(error))
    }
  }

  func idempotencyName() throws(APIError) -> IdempotencyName? {
    guard let key = request.headers["idempotency-key"] else {
      if operation.idempotency == .required {
        throw .invalid(
          "Idempotency-Key", "idempotency_key_required",
          "Send an Idempotency-Key header (any unique text), so that a repeated request "
            + "is carried out once.")
      }
      return nil
    }
    guard operation.idempotency != .ignored else { return nil }
    guard (1...255).contains(key.utf8.count) else {
      throw .invalid("Idempotency-Key", "out_of_range", "An Idempotency-Key has 1 to 255 bytes.")
    }
    let digest = request.orderDigest
    return IdempotencyName(
      request.name(underKey: key), fingerprint: services.orderKey.fingerprint(of: digest),
      formerFingerprint: OrderKey.formerFingerprint(of: digest))
  }
}

extension HTTPRequest {
  /// What a key of a caller's is remembered as: it is of one order about one object. A bar in the path, which a tag may
  /// have, is written otherwise, so that it is not taken for the one in front of the key; so is the sign of that.
  func name(underKey key: String) -> String {
    // Hardly any path has one.
    guard path.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "|") }) else {
      return "\(method) \(path)|\(key)"
    }
    let path = path.replacing("%", with: "%25").replacing("|", with: "%7C")
    return "\(method) \(path)|\(key)"
  }
}

// MARK: - Output

extension Exchange {
  func respond(
    _ status: Int = 200, _ value: consuming JSON, receipt: WriteReceipt? = nil,
    version: UInt64? = nil
  ) -> HTTPResponse {
    // An export has figures of its own under that name.
    if let receipt, var object = value.object, object["events"] == nil {
      // Otherwise the whole object would be copied to add to it.
      value = .null
      object["events"] = .array(receipt.events.map { .string($0.text) })
      value = .object(object)
    }
    return response(
      status, value.bytes(), receipt: receipt, version: version ?? value.storedVersion)
  }

  /// `bytes`: the object, with the events where there is a receipt.
  func response(
    _ status: Int, _ bytes: [UInt8], receipt: WriteReceipt?, version: UInt64?
  ) -> HTTPResponse {
    var response = HTTPResponse.json(status, bytes)
    if let receipt {
      response.headers.set("log-position", String(receipt.position))
      if receipt.isReplay { response.headers.set("idempotent-replayed", "true") }
    }
    if let version { response.headers.set("etag", "\"v\(version)\"") }
    return response
  }

  /// The versions of which `If-Match` wants one to be the present one; nil where any is good. A weak tag is compared with
  /// nothing (RFC 9110, 13.1.1): a list of such is an empty one.
  private func expectedVersions() throws(APIError) -> [UInt64]? {
    guard let header = request.headers["if-match"], header != "*" else { return nil }
    let tags = header.split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    var versions: [UInt64] = []
    for tag in tags {
      let isWeak = tag.hasPrefix("W/\"")
      let strong = isWeak ? tag.dropFirst(2) : tag[...]
      let isQuoted = strong.utf8.count > 1 && strong.first == "\"" && strong.last == "\""
      let text = isQuoted ? strong.dropFirst().dropLast() : strong
      let digits = text.dropFirst()
      guard text.first == "v", digits.allSatisfy({ $0.isASCII && $0.isNumber }),
        digits.utf8.count < 20, let version = UInt64(digits)
      else { throw .noVersion }
      if !isWeak { versions.append(version) }
    }
    guard !tags.isEmpty else { throw .noVersion }
    return versions
  }
}

extension APIError {
  fileprivate static var noVersion: APIError {
    .invalid(
      "If-Match", "invalid_version",
      "If-Match is an ETag such as \"v3\", several between commas, or *.")
  }

  fileprivate static func versionMismatch(expected: [UInt64], actual: UInt64) -> APIError {
    if expected.count == 1 {
      return APIError(CommandError.versionMismatch(expected: expected[0], actual: actual))
    }
    return APIError(
      412, "conflict", "version_mismatch",
      "The object is at version \(actual), which If-Match does not name. Read it again.")
  }
}

extension JSON {
  /// What the ETag of a stored object says; nil for everything else.
  fileprivate var storedVersion: UInt64? {
    guard self["id"] != nil, let version = self["version"]?.int, version > 0 else { return nil }
    return UInt64(version)
  }
}
