import Application
import CSV
import Domain
import HTTP
import JSON
import ProjectionRuntime
import WalletProjection

/// The wallet's statement: what moved its balance in a period, as JSON or as a file for a spreadsheet.
enum StatementRoutes {
  static let all = [
    Operation(
      "GET", "/api/wallet/statement", .scope("wallet:read"), "Read the wallet's statement",
      details: "Credits, debits and refunds, oldest first, with what the wallet held before and "
        + "after. Without `from` and `to` the last 30 days of the account's clock. With "
        + "`format=csv`, or `Accept: text/csv`, as a file.",
      parameters: [
        .query("from", .time, "Not before this time."), .query("to", .time, "Before this time."),
        .query("format", .choice(Format.self)),
      ],
      answers: [
        AnswerDefinition(
          200, "The statement.",
          contents: [
            RequestBody.Content(
              mediaType: "application/json", schema: WalletSchemas.statement),
            RequestBody.Content(mediaType: "text/csv", schema: .string(0...Int.max)),
          ])
      ], refuses: [400: ["out_of_range"], 422: ["statement_too_long"]], handler: show)
  ]

  enum Format: String, CaseIterable {
    case json, csv
  }

  /// A longer one is asked for in parts.
  private static let lineLimit = 50_000
  private static let usualMicros: Int64 = 30 * 86_400_000_000

  private struct Period: Sendable {
    let fromMicros: Micros
    let untilMicros: Micros
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let period = try await period(exchange)
    let format = try exchange.queryChoice("format", Format.self)
    let org = exchange.org
    let found = try await exchange.read([.wallet]) { pool in
      try await WalletQueries.statement(
        pool, org: org, fromMicros: period.fromMicros, untilMicros: period.untilMicros,
        limit: lineLimit)
    }
    guard let statement = found.value else {
      throw APIError(
        422, "invalid_request", "statement_too_long",
        "The period has more than \(lineLimit) lines: ask for a shorter one.")
    }
    let wantsCSV = exchange.request.prefers("text/csv")
    guard format == .csv || (format == nil && wantsCSV) else {
      return exchange.respond(view(statement, period, org), found)
    }
    var response = HTTPResponse(
      status: 200,
      headers: [
        "content-type": "text/csv; charset=utf-8", "cache-control": "no-store",
        "content-disposition": "attachment; filename=\"statement-\(day(period.fromMicros)).csv\"",
      ], body: .bytes(csv(statement, period)))
    response.headers.set("read-position", String(found.position))
    return response
  }

  private static func period(_ exchange: Exchange) async throws(APIError) -> Period {
    let nowMicros = try await exchange.readState { $0.nowMicros }
    let until = exchange.query("to").flatMap(Timestamp.micros) ?? nowMicros + 1
    let from = exchange.query("from").flatMap(Timestamp.micros) ?? until - usualMicros
    guard from < until else {
      throw .invalid("from", "out_of_range", "from is before to.")
    }
    return Period(fromMicros: from, untilMicros: until)
  }

  private static func view(
    _ statement: WalletStatement, _ period: Period, _ org: Identifier
  ) -> JSON {
    [
      "object": "wallet_statement", "account": .string(org.text),
      "from": .string(Timestamp.text(period.fromMicros)),
      "to": .string(Timestamp.text(period.untilMicros)),
      "opening_balance": Money.json(statement.openingMicros),
      "credits": Money.json(statement.sum(.credit)), "refunds": Money.json(statement.sum(.refund)),
      "debits": Money.json(statement.sum(.debit)),
      "closing_balance": Money.json(statement.closingMicros),
      "balanced": .bool(statement.isBalanced),
      "lines": .array(statement.lines.map { WalletRoutes.view($0, org) }),
    ]
  }

  // MARK: - CSV

  private static func csv(_ statement: WalletStatement, _ period: Period) -> [UInt8] {
    var writer = CSVWriter()
    writer.append([
      "created_at", "type", "description", "resource_type", "resource_id", "message", "amount_usd",
      "balance_usd", "id",
    ])
    writer.append([
      Timestamp.text(period.fromMicros), "opening", "Opening balance", "", "", "", "",
      dollars(statement.openingMicros), "",
    ])
    for line in statement.lines {
      let sign: Int64 = line.kind == .debit ? -1 : 1
      writer.append([
        Timestamp.text(line.createdAtMicros), line.kind.rawValue, line.description,
        line.resourceType ?? "", line.resourceID ?? "", line.message?.text ?? "",
        dollars(sign * line.amountMicros), dollars(line.balanceAfterMicros), line.event.text,
      ])
    }
    writer.append([
      Timestamp.text(period.untilMicros), "closing", "Closing balance", "", "", "", "",
      dollars(statement.closingMicros), "",
    ])
    return writer.take()
  }

  /// Exact: millionths of a dollar have six places.
  static func dollars(_ micros: Int64) -> String {
    let magnitude = micros.magnitude
    let places = String(magnitude % 1_000_000)
    let sign = micros < 0 ? "-" : ""
    return sign + String(magnitude / 1_000_000) + "."
      + String(repeating: "0", count: 6 - places.count) + places
  }

  private static func day(_ micros: Micros) -> Substring { Timestamp.text(micros).prefix(10) }
}
