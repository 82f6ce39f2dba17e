internal import Domain
internal import EventCodec
package import ProjectionRuntime

/// What figures need to know of a message.
package struct MessageFact: KeyedRow {
  package static let table = "message_facts"
  package static let columns = [
    Column("org", .uuid), Column("message", .uuid), Column("contact", .uuid),
    Column("campaign", .uuid), Column("workflow", .uuid), Column("run", .uuid),
    Column("step", .text),
    Column("channel", .text), Column("direction", .text), Column("status", .text),
    Column("reason", .text), Column("day", .date), Column("segment_count", .bigint),
    Column("cost_micros", .bigint), Column("opened", .boolean), Column("clicked", .boolean),
    Column("complained", .boolean), Column("replied", .boolean), Column("opted_out", .boolean),
    Column("converted", .boolean), Column("connected", .boolean),
  ]

  package let key: ItemKey
  let contact: UInt128
  var campaign: UInt128?
  var workflow: UInt128?
  var run: UInt128?
  var step: String?
  let channel: String
  let direction: String
  var status: String
  var reason: String?
  /// Days since 1970, UTC.
  let day: Int64
  var segmentCount: Int64 = 1
  var costMicros: Int64 = 0
  var isOpened = false
  var isClicked = false
  var isComplained = false
  var isReplied = false
  var isOptedOut = false
  var isConverted = false
  var isConnected = false

  init(planned plan: MessagePlan, workflow: UInt128?, in event: RecordedDomainEvent) {
    key = ItemKey(event.org, event.stream)
    contact = plan.contact.value
    campaign = plan.campaign?.value
    self.workflow = workflow
    run = plan.run?.value
    step = plan.step
    channel = plan.channel.rawValue
    direction = "outbound"
    status = Message.Status.planned.rawValue
    day = Day.number(ofMicros: event.occurredAtMicros)
    segmentCount = Int64(plan.segmentCount)
  }

  init(received inbound: InboundMessage, in event: RecordedDomainEvent) {
    key = ItemKey(event.org, event.stream)
    contact = inbound.contact.value
    channel = inbound.channel.rawValue
    direction = "inbound"
    status = Message.Status.received.rawValue
    day = Day.number(ofMicros: event.occurredAtMicros)
  }

  mutating func apply(_ change: Message.Event) {
    switch change {
    case .planned, .received: break
    case .opened(let isMachine, _): isOpened = isOpened || !isMachine
    case .clicked(_, let isMachine, _): isClicked = isClicked || !isMachine
    case .complained: isComplained = true
    case .callEnded(let result, _):
      isConnected = result.wasAnswered
      become(result.wasAnswered ? .delivered : .failed)
    case .queued, .retryScheduled: become(.queued)
    case .held(let reason, _, _): become(.held, reason)
    case .skipped(let reason, _): become(.skipped, reason)
    case .dispatched: become(.dispatched)
    case .accepted: become(.accepted)
    case .unknown: become(.unknown)
    case .sent: become(.sent)
    case .delivered: become(.delivered)
    case .failed: become(.failed)
    case .cancelled: become(.cancelled)
    }
  }

  private mutating func become(_ status: Message.Status, _ reason: GateReason? = nil) {
    self.status = status.rawValue
    self.reason = reason?.rawValue
  }
}

extension MessageFact {
  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(contact)
    writer.uuid(campaign)
    writer.uuid(workflow)
    writer.uuid(run)
    writer.text(step)
    writer.text(channel)
    writer.text(direction)
    writer.text(status)
    writer.text(reason)
    writer.date(dayNumber: day)
    writer.bigint(segmentCount)
    writer.bigint(costMicros)
    for flag in [
      isOpened, isClicked, isComplained, isReplied, isOptedOut, isConverted, isConnected,
    ] {
      writer.boolean(flag)
    }
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    contact = try reader.uuid()
    campaign = try reader.optionalUUID()
    workflow = try reader.optionalUUID()
    run = try reader.optionalUUID()
    step = try reader.optionalText()
    channel = try reader.text()
    direction = try reader.text()
    status = try reader.text()
    reason = try reader.optionalText()
    day = try reader.dayNumber()
    segmentCount = try reader.bigint()
    costMicros = try reader.bigint()
    isOpened = try reader.boolean()
    isClicked = try reader.boolean()
    isComplained = try reader.boolean()
    isReplied = try reader.boolean()
    isOptedOut = try reader.boolean()
    isConverted = try reader.boolean()
    isConnected = try reader.boolean()
  }
}

/// A charge that belongs to no message that we know; written once.
package struct OtherChargeRow: TableRow {
  package static let table = "other_charges"
  package static let columns = [
    Column("org", .uuid), Column("position", .bigint), Column("day", .date),
    Column("resource_type", .text), Column("amount_micros", .bigint),
  ]

  let org: UInt128
  let position: Int64
  let day: Int64
  let resourceType: String
  let amountMicros: Int64

  init(_ charge: Charge, in event: RecordedDomainEvent) {
    org = event.org.value
    position = event.positionColumn
    day = Day.number(ofMicros: event.occurredAtMicros)
    resourceType = charge.resourceType
    amountMicros = charge.amountMicros
  }

  package func write(to writer: inout RowWriter) {
    writer.uuid(org)
    writer.bigint(position)
    writer.date(dayNumber: day)
    writer.text(resourceType)
    writer.bigint(amountMicros)
  }
}

/// Which message the provider means.
package struct ReceivedRow: KeyedRow {
  package static let table = "received"
  package static let columns = [
    Column("org", .uuid), Column("provider_id", .text), Column("message", .uuid),
  ]

  package struct Key: RowKey {
    package static let columnCount = 2

    package let org: UInt128
    let providerID: String

    package func write(to writer: inout RowWriter) {
      writer.uuid(org)
      writer.text(providerID)
    }
  }

  package let key: Key
  let message: UInt128

  init(key: Key, message: UInt128) {
    self.key = key
    self.message = message
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(message)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = Key(org: try reader.uuid(), providerID: try reader.text())
    message = try reader.uuid()
  }
}
