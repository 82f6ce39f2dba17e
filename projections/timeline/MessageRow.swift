package import Domain
package import JSON
package import ProjectionRuntime

/// A message as it stands now.
package struct MessageRow: KeyedRow {
  package static let table = "messages"
  package static let columns = [
    Column("org", .uuid), Column("message", .uuid), Column("version", .bigint),
    Column("contact", .uuid), Column("direction", .text), Column("channel", .text),
    Column("purpose", .text), Column("our_address", .text), Column("their_address", .text),
    Column("body", .text), Column("segment_count", .bigint), Column("encoding", .text),
    Column("status", .text), Column("reason", .text), Column("verdict", .jsonb),
    Column("price_micros", .bigint), Column("provider_id", .text), Column("error_code", .text),
    Column("keyword", .text), Column("campaign", .uuid), Column("workflow", .uuid),
    Column("run", .uuid), Column("step", .text), Column("attempt", .bigint),
    Column("held_until", .timestamp), Column("sent_at", .timestamp),
    Column("delivered_at", .timestamp),
    Column("subject", .text),
    Column("html", .text),
    Column("media", .jsonb),
    Column("call_outcome", .text),
    Column("call_seconds", .bigint),
    Column("opened_at", .timestamp),
    Column("machine_opened_at", .timestamp),
    Column("clicked_at", .timestamp),
    Column("complained_at", .timestamp),
    Column("created_at", .timestamp),
    Column("updated_at", .timestamp), Column("position", .bigint),
    Column("last_position", .bigint),
  ]

  package var org: UInt128
  package var message: UInt128
  package var version: Int64
  package var contact: UInt128
  package var direction: String
  package var channel: String
  package var purpose: String?
  package var ourAddress: String
  package var theirAddress: String?
  package var body: String?
  package var segmentCount: Int64 = 1
  package var encoding: String?
  package var status: String
  package var reason: String?
  package var verdict: JSON?
  package var priceMicros: Int64 = 0
  package var providerID: String?
  package var errorCode: String?
  package var keyword: String?
  package var campaign: UInt128?
  package var workflow: UInt128?
  package var run: UInt128?
  package var step: String?
  package var attempt: Int64 = 0
  package var heldUntilMicros: Micros?
  package var sentAtMicros: Micros?
  package var deliveredAtMicros: Micros?
  package var subject: String?
  package var html: String?
  package var media: JSON?
  package var callOutcome: String?
  package var callSeconds: Int64?
  package var openedAtMicros: Micros?
  package var machineOpenedAtMicros: Micros?
  package var clickedAtMicros: Micros?
  package var complainedAtMicros: Micros?
  package var createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64
  package var lastPosition: Int64

  package var key: ItemKey { ItemKey(org: org, id: message) }
}

extension MessageRow {
  package func write(to writer: inout RowWriter) {
    writer.uuid(org)
    writer.uuid(message)
    writer.bigint(version)
    writer.uuid(contact)
    writer.text(direction)
    writer.text(channel)
    writer.text(purpose)
    writer.text(ourAddress)
    writer.text(theirAddress)
    writer.text(body)
    writer.bigint(segmentCount)
    writer.text(encoding)
    writer.text(status)
    writer.text(reason)
    writer.jsonb(verdict)
    writer.bigint(priceMicros)
    writer.text(providerID)
    writer.text(errorCode)
    writer.text(keyword)
    writer.uuid(campaign)
    writer.uuid(workflow)
    writer.uuid(run)
    writer.text(step)
    writer.bigint(attempt)
    writer.timestamp(heldUntilMicros)
    writer.timestamp(sentAtMicros)
    writer.timestamp(deliveredAtMicros)
    writer.text(subject)
    writer.text(html)
    writer.jsonb(media)
    writer.text(callOutcome)
    writer.bigint(callSeconds)
    writer.timestamp(openedAtMicros)
    writer.timestamp(machineOpenedAtMicros)
    writer.timestamp(clickedAtMicros)
    writer.timestamp(complainedAtMicros)
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
    writer.bigint(lastPosition)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    org = try reader.uuid()
    message = try reader.uuid()
    version = try reader.bigint()
    contact = try reader.uuid()
    direction = try reader.text()
    channel = try reader.text()
    purpose = try reader.optionalText()
    ourAddress = try reader.text()
    theirAddress = try reader.optionalText()
    body = try reader.optionalText()
    segmentCount = try reader.bigint()
    encoding = try reader.optionalText()
    status = try reader.text()
    reason = try reader.optionalText()
    verdict = try reader.optionalJSONB()
    priceMicros = try reader.bigint()
    providerID = try reader.optionalText()
    errorCode = try reader.optionalText()
    keyword = try reader.optionalText()
    campaign = try reader.optionalUUID()
    workflow = try reader.optionalUUID()
    run = try reader.optionalUUID()
    step = try reader.optionalText()
    attempt = try reader.bigint()
    heldUntilMicros = try reader.optionalTimestamp()
    sentAtMicros = try reader.optionalTimestamp()
    deliveredAtMicros = try reader.optionalTimestamp()
    subject = try reader.optionalText()
    html = try reader.optionalText()
    media = try reader.optionalJSONB()
    callOutcome = try reader.optionalText()
    callSeconds = try reader.optionalBigint()
    openedAtMicros = try reader.optionalTimestamp()
    machineOpenedAtMicros = try reader.optionalTimestamp()
    clickedAtMicros = try reader.optionalTimestamp()
    complainedAtMicros = try reader.optionalTimestamp()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
    lastPosition = try reader.bigint()
  }
}
