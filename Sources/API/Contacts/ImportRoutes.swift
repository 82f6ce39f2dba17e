import Application
import Domain
import EventLog
import HTTP
import JSON

/// Taking in a CSV of contacts.
enum ImportRoutes {
  static let all: [Operation] =
    ImportReads.all + [
      Operation(
        "POST", "/api/contacts/import", .scope("contacts:write"), "Import a CSV of contacts",
        details: "As `multipart/form-data` with the file as `file` and the options as parts, or as "
          + "the CSV itself with the options as parameters. With `Accept: application/x-ndjson` "
          + "lines of progress come first.",
        parameters: [
          .query("map", .map(.string()), "Column to field; `\"\"` leaves one out.", style: .json),
          .query("tags", .string(0...2_000), "For every new contact, between commas."),
          .query("source", .string(0...200)),
          .query("consent", ContactSchemas.consentInput, "For every new contact.", style: .json),
        ],
        body: .of(
          [
            (
              "multipart/form-data",
              .input([
                .required("file", .string(1...Int.max)), .optional("map", .string()),
                .optional("tags", .string()), .optional("source", .string(0...200)),
                .optional("consent", .string()), .optional("dry_run", .string()),
              ])
            ), ("text/csv", .string(0...Int.max)),
          ], texts: ["text/csv": "first_name,email,tags\nAnn,ann@example.com,vip\n"],
          limitBytes: 64 << 20),
        answers: [AnswerDefinition.ok(ContactSchemas.importReport).or(ContactSchemas.importTrial)],
        refuses: [
          400: [
            "csv_bad_header", "csv_no_header", "csv_too_large", "csv_too_many_records",
            "field_twice",
            "invalid_tag", "no_address", "nothing_to_identify", "unknown_column", "unknown_field",
          ], 409: ["import_not_allowed"],
        ],
        idempotency: .required, handler: importContacts)
    ]

  /// The file as multipart/form-data, or as the body itself with the options as parameters. With
  /// `Accept: application/x-ndjson` a line of progress for every few hundred rows comes first.
  private static func importContacts(
    _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    // Rows with a known address change who has it.
    try exchange.require("contacts:write", "update")
    let upload = try Upload(exchange)
    let call = try exchange.call()
    if upload.options.isDryRun { try tellRepeated(call, exchange) }
    let importing = ContactImport(
      executor: try exchange.executor(), tools: exchange.engine.tools, options: upload.options,
      call: call
    ) {
      do throws(APIError) {
        try exchange.requireStanding()
        return true
      } catch {
        return false
      }
    }
    if exchange.request.prefers("application/x-ndjson") {
      return progressive(importing, upload.file, exchange)
    }
    do {
      let report = try await importing.run(upload.file)
      return answer(report, exchange)
    } catch {
      throw refusal(error, exchange)
    }
  }

  /// Ends the trial of an import that was carried out under its key. One that never came to its end goes on when it is sent
  /// again: its trial says with what.
  private static func tellRepeated(_ call: Call, _ exchange: Exchange) throws(APIError) {
    guard let key = call.idempotencyKey else { return }
    do {
      let receipt = try exchange.engine.log.receipt(
        org: OrgID(exchange.org.value),
        idempotencyKey: key.key)
      guard let stream = receipt?.versions.first?.stream else { return }
      let job = Identifier(.importJob, stream.value)
      guard try exchange.engine.importJob(job, of: exchange.org).state.outcome != nil else {
        return
      }
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch let error as CommandError {
      throw APIError(error)
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
    try exchange.tellRepeated(call, in: exchange.org)
  }

  /// Whoever may not go on is told why, as by any other request.
  private static func refusal(_ error: ImportError, _ exchange: Exchange) -> APIError {
    var refusal = APIError(error)
    guard case .withdrawn = error else { return refusal }
    do throws(APIError) {
      try exchange.requireStanding()
    } catch let reason {
      refusal = reason
      refusal.message += " " + error.message
    }
    return refusal
  }

  private static func answer(_ report: ImportReport, _ exchange: Exchange) -> HTTPResponse {
    var response = exchange.respond(200, view(report))
    if let position = report.lastPosition {
      response.headers.set("log-position", String(position))
    }
    if report.isReplay { response.headers.set("idempotent-replayed", "true") }
    return response
  }

  private static func progressive(
    _ importing: ContactImport, _ file: [UInt8], _ exchange: Exchange
  ) -> HTTPResponse {
    let (lines, continuation) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .unbounded)
    Task {
      @Sendable func say(_ value: JSON) { continuation.yield(value.bytes() + [10]) }
      do throws(ImportError) {
        let report = try await importing.run(file) { done, all in
          say(["object": "import_progress", "done": JSON(done), "rows": JSON(all)])
        }
        var response = answer(report, exchange)
        await exchange.awaitProjections(&response)
        say(response.jsonBody ?? .null)
      } catch {
        say(refusal(error, exchange).json(requestID: exchange.requestID))
      }
      continuation.finish()
    }
    return HTTPResponse(
      status: 200, headers: ["content-type": "application/x-ndjson"], body: .stream(lines))
  }

  private static func view(_ report: ImportReport) -> JSON {
    let position = report.lastPosition.map { JSON.int(Int64($0)) } ?? .null
    let counts: [(key: String, value: JSON)] = [
      ("rows", JSON(report.rowCount)), ("created", JSON(report.created)),
      ("updated", JSON(report.updated)), ("unchanged", JSON(report.unchanged)),
      ("failed", JSON(report.failed)), ("columns", .array(report.columns.map(column))),
      ("errors", .array(report.errors.map(rowError))),
      ("errors_csv", .string(String(decoding: report.errorsCSV(), as: UTF8.self))),
    ]
    guard !report.isTrial else { return Trial.json(events(report), counts) }
    let about: [(key: String, value: JSON)] = [
      ("id", .string(report.job.text)), ("object", "import"), ("status", "completed"),
      ("position", position),
    ]
    return .object(JSONObject(about + counts))
  }

  /// Each kind once, with how many there would be: a file may have hundreds of thousands of rows.
  private static func events(_ report: ImportReport) -> [JSON] {
    let rows = report.rehearsedEvents.sorted { $0.key < $1.key }.map { type, count in
      Trial.event(type, .contact, nil, count: count)
    }
    return [Trial.event("import.started", .importJob, nil, count: 1)] + rows
      + [Trial.event("import.completed", .importJob, nil, count: 1)]
  }
}

private func column(_ column: ImportReport.Column) -> JSON {
  [
    "column": .string(column.column), "field": .string(column.field),
    "guessed": .bool(column.guessed),
  ]
}

private func rowError(_ error: ImportReport.RowError) -> JSON {
  [
    "line": JSON(error.line), "column": .string(error.column), "code": .string(error.code),
    "message": .string(error.message),
  ]
}

/// A file and what is to be done with it.
private struct Upload {
  let file: [UInt8]
  let options: ContactImport.Options

  /// What may stand in the query as well as in the form.
  private static let names = ["map", "tags", "source", "consent", Parameter.dryRun.name]

  init(_ exchange: Exchange) throws(APIError) {
    var texts: [String: String] = [:]
    // Not what any write may be asked for.
    for name in Self.names { texts[name] = exchange.query(name) }
    var file: [UInt8]?
    if exchange.request.mediaType == "multipart/form-data" {
      var seen = Set(texts.keys)
      for part in try Self.parts(exchange.request) {
        // Of a trial that another word orders, nobody knows which of the two is meant.
        guard seen.insert(part.name).inserted else {
          throw .invalid(
            part.name, "repeated_parameter",
            "Give \(part.name.prefix(100)) once, as a part or as a parameter.")
        }
        if part.name == "file" {
          file = part.body
        } else {
          texts[part.name] = String(decoding: part.body, as: UTF8.self)
        }
      }
    } else {
      file = exchange.request.body
    }
    guard let file, !file.isEmpty else {
      throw .invalid("file", "required", "Send the CSV as `file`, or as the request's body.")
    }
    self.file = file
    options = try Self.options(texts)
  }

  private static func parts(_ request: HTTPRequest) throws(APIError) -> [MultipartPart] {
    do {
      return try Multipart.parts(of: request)
    } catch {
      throw .invalid("body", "invalid_multipart", "The multipart body cannot be read: \(error).")
    }
  }

  private static func options(
    _ texts: [String: String]
  ) throws(APIError) -> ContactImport.Options {
    var object = JSONObject()
    var problems: [APIError.Detail] = []
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
      do throws(APIError) {
        object[name] = try value(name, text)
      } catch {
        object[name] = .null
        problems += error.details
      }
    }
    var fields = Fields(object, problems: problems)
    var options = ContactImport.Options()
    if let map = fields.value("map") {
      for (column, field) in map.object?.fields ?? [] {
        guard let field = field.string else {
          fields.fail("map", "invalid_type", "map is an object of column: field.")
          continue
        }
        options.columns[column] = field
      }
      if map.object == nil { fields.fail("map", "invalid_type", "map is an object.") }
    }
    options.tags = (fields.string("tags") ?? "").split(separator: ",").map {
      String($0.drop { $0 == " " })
    }
    options.source = fields.string("source", limit: 200) ?? "import"
    if let consent = fields.value("consent") {
      options.consent = ContactInput.consent(consent, "consent.", &fields)
    }
    switch fields.string("dry_run") {
    case nil, "false": options.isDryRun = false
    case "true": options.isDryRun = true
    default: fields.fail("dry_run", "invalid_value", "dry_run is true or false.")
    }
    try fields.finish()
    return options
  }

  /// `map` and `consent` are JSON, the others are text.
  private static func value(_ name: String, _ text: String) throws(APIError) -> JSON {
    guard name == "map" || name == "consent" else { return .string(text) }
    do {
      return try JSON(parsing: text)
    } catch {
      throw .invalid(name, "invalid_json", "\(name) is not valid JSON: \(error).")
    }
  }
}

extension APIError {
  init(_ error: ImportError) {
    switch error {
    case .interrupted(_, let cause):
      self = APIError(cause)
      message = error.message
    case .withdrawn:
      self = APIError(403, "permission", "missing_scope", error.message)
    case .file, .unknownColumn, .unknownField, .fieldTwice, .nothingToIdentify,
      .consentWithoutAddress, .invalidTag:
      self = .invalid(error.field, error.code, error.message)
    }
  }
}
