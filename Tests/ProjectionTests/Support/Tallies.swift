import Domain
import EventCodec
import ProjectionRuntime
import Synchronization

/// A read model for tests: how many tags each contact ever got, and a line for each of them. The tag
/// `poison` cannot be applied until it is mended; `refused` is what Postgres does not take.
enum Tallies: Projection {
  static let name = "tallies"
  static let version = 1
  static let streams: Set<Identifier.Kind>? = [.contact]
  static let history: Set<String> = ["tallies"]
  static let schemaSQL = TalliesFold.schemaSQL

  typealias Tables = TalliesFold.Tables

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    TalliesFold.declareKeys(of: event, in: tables)
  }

  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError) {
    try TalliesFold.apply(event, to: tables, step: 1)
  }
}

/// The next version: every tag counts ten.
enum TalliesByTen: Projection {
  static let name = "tallies"
  static let version = 2
  static let streams: Set<Identifier.Kind>? = [.contact]
  static let history: Set<String> = ["tallies"]
  static let schemaSQL = TalliesFold.schemaSQL

  typealias Tables = TalliesFold.Tables

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    TalliesFold.declareKeys(of: event, in: tables)
  }

  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError) {
    try TalliesFold.apply(event, to: tables, step: 10)
  }
}

enum TalliesFold {
  static let schemaSQL = """
    CREATE TABLE tallies (
      org     uuid   NOT NULL,
      contact uuid   NOT NULL,
      count   bigint NOT NULL CHECK (count >= 0)
    );
    ALTER TABLE tallies ADD PRIMARY KEY (org, contact);
    CREATE TABLE lines (
      org      uuid   NOT NULL,
      position bigint NOT NULL,
      tag      text   NOT NULL
    );
    ALTER TABLE lines ADD PRIMARY KEY (org, position);
    """

  final class Tables: TableSet {
    let tallies = Rows<TallyRow>()
    let lines = Appended<TallyLine>()

    init() {}

    var all: [any ProjectionTable] { [tallies, lines] }
  }

  /// Contacts whose poison was mended.
  private static let mended = Mutex<Set<UInt128>>([])

  static func mend(_ contact: Identifier) {
    mended.withLock { _ = $0.insert(contact.value) }
  }

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    tables.tallies.want(ItemKey(event.org, event.stream))
  }

  static func apply(
    _ event: RecordedDomainEvent, to tables: Tables, step: Int64
  ) throws(FoldError) {
    guard case .contact(.tagged(let tag)) = event.event else { return }
    let key = ItemKey(event.org, event.stream)
    tables.lines.append(
      TallyLine(org: key.org, position: event.positionColumn, tag: tag))
    var row = tables.tallies[key] ?? TallyRow(key: key)
    row.count += tag == "refused" ? -1_000 : step
    tables.tallies[key] = row
    if tag == "poison", !mended.withLock({ $0.contains(key.id) }) {
      throw .contradiction(reason: "poison")
    }
  }
}

struct TallyRow: KeyedRow {
  static let table = "tallies"
  static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("count", .bigint),
  ]

  let key: ItemKey
  var count: Int64 = 0

  init(key: ItemKey) { self.key = key }

  func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(count)
  }

  init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    count = try reader.bigint()
  }
}

struct TallyLine: TableRow {
  static let table = "lines"
  static let columns = [
    Column("org", .uuid), Column("position", .bigint), Column("tag", .text),
  ]

  let org: UInt128
  let position: Int64
  let tag: String

  func write(to writer: inout RowWriter) {
    writer.uuid(org)
    writer.bigint(position)
    writer.text(tag)
  }
}

func withTallies(_ body: (Desk) async throws -> Void) async throws {
  try await withDesk { desk in
    var desk = desk
    desk.projections = [Tallies.self]
    try await body(desk)
  }
}

let counts = "SELECT count FROM tallies_v1.tallies ORDER BY org, contact"
