import Application
import Domain
import EventCodec
import HTTP
import JSON

/// Defining segments. Reading them is in `SegmentReads.swift`.
enum SegmentWrites {
  static let all = [
    Operation(
      "POST", "/api/segments", .scope("segments:write"), "Define a segment",
      body: .json(
        SegmentSchemas.create,
        example: ["name": "VIPs", "filter": ["field": "tags", "op": "contains", "value": "vip"]]),
      answers: [.created(SegmentSchemas.segment)], refuses: [400: ["invalid_filter"]],
      handler: create),
    Operation(
      "PATCH", "/api/segments/{id}", .scope("segments:write"), "Change a segment",
      body: .json(SegmentSchemas.update, example: ["name": "Very important people"]),
      answers: [.ok(SegmentSchemas.segment)], refuses: [400: ["invalid_filter"]], handler: update),
    Operation(
      "DELETE", "/api/segments/{id}", .scope("segments:write"), "Delete a segment",
      answers: [.ok(SegmentSchemas.segment)], handler: delete),
  ]

  static func filter(_ fields: inout Fields, required: Bool) -> Filter? {
    guard let value = fields.value("filter", required: required) else { return nil }
    do {
      return try FilterGrammar.parse(value)
    } catch {
      fields.fail("filter", error.code, "\(error)")
      return nil
    }
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let name = fields.string("name", required: true, limit: 200)
    let filter = filter(&fields, required: true)
    try fields.finish()
    guard let name, let filter else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.createSegment(name: name, filter: filter)
    }
    let id = try ContactWrites.created(.segment, written)
    return try answer(201, id, written.receipt, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .segment)
    var fields = try exchange.body()
    let name = fields.string("name", limit: 200)
    let filter = filter(&fields, required: false)
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.updateSegment(id, name: name, filter: filter)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .segment)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.deleteSegment(id)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let view = try view(id, version: receipt.version(of: id), exchange)
    return exchange.respond(status, view.json, receipt: receipt, version: view.version)
  }

  /// The segment as it was at `version`.
  static func view(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> SegmentView {
    let snapshot: Snapshot<Segment.State>
    do {
      snapshot = try exchange.engine.segment(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    return SegmentView(
      id: id, org: exchange.org, name: snapshot.state.name, filter: snapshot.state.filter,
      isDeleted: snapshot.state.isDeleted, size: nil, isRecomputing: nil, version: snapshot.version,
      createdAtMicros: snapshot.createdAtMicros, updatedAtMicros: snapshot.updatedAtMicros)
  }
}

/// A segment as the API shows it.
struct SegmentView {
  let id: Identifier
  let org: Identifier
  let name: String
  let filter: Filter
  let isDeleted: Bool
  /// How many contacts are in it; nil in the answer to a write, which does not wait for it, and while a new
  /// definition looks at all contacts.
  let size: Int64?
  /// nil in the answer to a write.
  let isRecomputing: Bool?
  let version: UInt64
  let createdAtMicros: Micros
  let updatedAtMicros: Micros

  var json: JSON {
    .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "segment"), ("name", .string(name)),
        ("filter", FilterGrammar.json(filter)), ("size", JSON(size)),
        ("recomputing", isRecomputing.map(JSON.bool) ?? .null),
        ("deleted", .bool(isDeleted)), ("version", .int(Int64(version))),
        ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(createdAtMicros))),
        ("updated_at", .string(Timestamp.text(updatedAtMicros))),
      ]))
  }
}
