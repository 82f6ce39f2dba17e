package import Domain
internal import EventCodec
package import ProjectionRuntime

/// What a wallet holds now.
package struct WalletRow: KeyedRow {
  package static let table = "wallets"
  package static let columns = [
    Column("org", .uuid), Column("wallet", .uuid), Column("version", .bigint),
    Column("balance_micros", .bigint), Column("held_micros", .bigint),
    Column("funded_micros", .bigint), Column("refunded_micros", .bigint),
    Column("charged_micros", .bigint), Column("waived_micros", .bigint),
    Column("created_at", .timestamp), Column("updated_at", .timestamp),
    Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64 = 1
  package var balanceMicros: Int64 = 0
  package var heldMicros: Int64 = 0
  package var fundedMicros: Int64 = 0
  package var refundedMicros: Int64 = 0
  package var chargedMicros: Int64 = 0
  package var waivedMicros: Int64 = 0
  package var createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64

  package var availableMicros: Int64 { balanceMicros - heldMicros }

  init(key: ItemKey, atMicros: Micros, position: Int64) {
    self.key = key
    createdAtMicros = atMicros
    updatedAtMicros = atMicros
    self.position = position
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    for value in [
      version, balanceMicros, heldMicros, fundedMicros, refundedMicros, chargedMicros, waivedMicros,
    ] {
      writer.bigint(value)
    }
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    balanceMicros = try reader.bigint()
    heldMicros = try reader.bigint()
    fundedMicros = try reader.bigint()
    refundedMicros = try reader.bigint()
    chargedMicros = try reader.bigint()
    waivedMicros = try reader.bigint()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }
}

/// One movement of credit; written once.
package struct TransactionRow: TableRow {
  package static let table = "transactions"
  package static let columns = [
    Column("org", .uuid), Column("position", .bigint), Column("event", .uuid),
    Column("wallet", .uuid), Column("type", .text), Column("amount_micros", .bigint),
    Column("balance_after", .bigint), Column("held_after", .bigint),
    Column("resource_type", .text), Column("resource_id", .text), Column("message", .uuid),
    Column("description", .text), Column("created_at", .timestamp),
  ]

  package enum Kind: String, Sendable, CaseIterable {
    case credit, debit, refund, hold, release
  }

  let event: RecordedDomainEvent
  let kind: Kind
  let amountMicros: Int64
  let balanceAfterMicros: Int64
  let heldAfterMicros: Int64
  let resourceType: String?
  let resourceID: String?
  let message: UInt128?
  let description: String

  package func write(to writer: inout RowWriter) {
    writer.uuid(event.org.value)
    writer.bigint(event.positionColumn)
    writer.uuid(event.eventID.value)
    writer.uuid(event.stream.value)
    writer.text(kind.rawValue)
    writer.bigint(amountMicros)
    writer.bigint(balanceAfterMicros)
    writer.bigint(heldAfterMicros)
    writer.text(resourceType)
    writer.text(resourceID)
    writer.uuid(message)
    writer.text(description)
    writer.timestamp(event.occurredAtMicros)
  }
}

/// Credit that is kept aside for a message.
package struct HoldRow: KeyedRow {
  package static let table = "holds"
  package static let columns = [
    Column("org", .uuid), Column("message", .uuid), Column("wallet", .uuid),
    Column("amount_micros", .bigint), Column("position", .bigint),
  ]

  package let key: ItemKey
  package let wallet: UInt128
  package let amountMicros: Int64
  package let position: Int64

  init(key: ItemKey, wallet: UInt128, amountMicros: Int64, position: Int64) {
    self.key = key
    self.wallet = wallet
    self.amountMicros = amountMicros
    self.position = position
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(wallet)
    writer.bigint(amountMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    wallet = try reader.uuid()
    amountMicros = try reader.bigint()
    position = try reader.bigint()
  }
}
