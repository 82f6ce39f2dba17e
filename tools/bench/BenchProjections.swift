import Domain
import EventCodec
import ProjectionRuntime

/// `rebuild · insert_only`: a line for each event, three indexes.
enum BenchLedger: Projection {
  static let name = "bench_ledger"
  static let version = 1
  static let streams: Set<Identifier.Kind>? = [.wallet]
  static let schemaSQL = """
    CREATE TABLE ledger (
      org           uuid        NOT NULL,
      position      bigint      NOT NULL,
      wallet        uuid        NOT NULL,
      amount_micros bigint      NOT NULL,
      resource_type text        NOT NULL,
      resource_id   text        NOT NULL,
      created_at    timestamptz NOT NULL
    );
    ALTER TABLE ledger ADD PRIMARY KEY (org, position);
    CREATE INDEX ledger_by_wallet ON ledger (org, wallet, position);
    CREATE INDEX ledger_by_resource ON ledger (org, resource_id);
    """

  final class Tables: TableSet {
    let ledger = Appended<Line>()

    init() {}

    var all: [any ProjectionTable] { [ledger] }
  }

  struct Line: TableRow {
    static let table = "ledger"
    static let columns = [
      Column("org", .uuid), Column("position", .bigint), Column("wallet", .uuid),
      Column("amount_micros", .bigint), Column("resource_type", .text),
      Column("resource_id", .text), Column("created_at", .timestamp),
    ]

    let org: UInt128
    let position: Int64
    let wallet: UInt128
    let charge: Charge
    let atMicros: Micros

    func write(to writer: inout RowWriter) {
      writer.uuid(org)
      writer.bigint(position)
      writer.uuid(wallet)
      writer.bigint(charge.amountMicros)
      writer.text(charge.resourceType)
      writer.text(charge.resourceID)
      writer.timestamp(atMicros)
    }
  }

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {}

  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError) {
    guard let line = line(of: event) else { return }
    tables.ledger.append(line)
  }

  static func line(of event: RecordedDomainEvent) -> Line? {
    guard case .wallet(.debited(let charge)) = event.event else { return nil }
    return Line(
      org: event.org.value, position: event.positionColumn, wallet: event.stream.value,
      charge: charge, atMicros: event.occurredAtMicros)
  }
}

/// `rebuild · fold`: what each wallet was charged.
enum BenchBalances: Projection {
  static let name = "bench_balances"
  static let version = 1
  static let streams: Set<Identifier.Kind>? = [.wallet]
  static let schemaSQL = """
    CREATE TABLE balances (
      org            uuid   NOT NULL,
      wallet         uuid   NOT NULL,
      charged_micros bigint NOT NULL,
      charge_count   bigint NOT NULL
    );
    ALTER TABLE balances ADD PRIMARY KEY (org, wallet);
    """

  final class Tables: TableSet {
    let balances = Rows<Balance>()

    init() {}

    var all: [any ProjectionTable] { [balances] }
  }

  struct Balance: KeyedRow {
    static let table = "balances"
    static let columns = [
      Column("org", .uuid), Column("wallet", .uuid), Column("charged_micros", .bigint),
      Column("charge_count", .bigint),
    ]

    let key: ItemKey
    var chargedMicros: Int64 = 0
    var chargeCount: Int64 = 0

    init(key: ItemKey) { self.key = key }

    func write(to writer: inout RowWriter) {
      key.write(to: &writer)
      writer.bigint(chargedMicros)
      writer.bigint(chargeCount)
    }

    init(from reader: inout RowReader) throws(RowError) {
      key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
      chargedMicros = try reader.bigint()
      chargeCount = try reader.bigint()
    }
  }

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    tables.balances.want(ItemKey(event.org, event.stream))
  }

  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError) {
    guard case .wallet(.debited(let charge)) = event.event else { return }
    let key = ItemKey(event.org, event.stream)
    var row = tables.balances[key] ?? Balance(key: key)
    row.chargedMicros += charge.amountMicros
    row.chargeCount += 1
    tables.balances[key] = row
  }
}
