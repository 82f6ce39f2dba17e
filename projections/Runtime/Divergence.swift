internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// Finds the event from which on a live row is not what the log says: it folds the row's org once more
/// and looks at the row after each event that touches it.
struct Divergence<P: Projection> {
  /// A row's fields as COPY has them; nil: null.
  private typealias Fields = [[UInt8]?]

  let table: String
  /// The columns of the primary key, and the row's values in them as text.
  let keyColumns: [String]
  let key: [String]

  /// nil where no event makes such a row.
  func event(
    _ reader: any EventReader, through end: UInt64, poisons: [UInt64: Poison],
    _ connection: PostgresConnection
  ) throws -> UInt64? {
    let live = try liveRow(connection)
    guard let org = key.first.flatMap(UUIDText.decode) else { return nil }
    var versions: [(position: UInt64, row: Fields?)] = []
    try replay(Identifier(.org, org), reader, through: end, poisons, connection) {
      versions.append(($0, $1))
    }
    return Self.first(versions, differingFrom: live)
  }

  /// The event after the last one that left the row as it is; the first of all where none did.
  private static func first(
    _ versions: [(position: UInt64, row: Fields?)], differingFrom live: Fields?
  ) -> UInt64? {
    guard let same = versions.lastIndex(where: { $0.row == live }) else {
      return versions.first?.position
    }
    let next = versions.index(after: same)
    return next < versions.endIndex ? versions[next].position : versions[same].position
  }

  private func replay(
    _ org: Identifier, _ reader: any EventReader, through end: UInt64,
    _ poisons: [UInt64: Poison], _ connection: PostgresConnection,
    _ visit: (UInt64, Fields?) -> Void
  ) throws {
    let folder = Folder<P>(
      store: TableStore(connection: connection, schema: P.schema), isComplete: true)
    guard let watched = folder.tables.all.first(where: { $0.tableName == table }) else { return }
    watched.keepsHistory = true
    let places = keyColumns.compactMap { name in
      watched.columns.firstIndex { $0.name == name }
    }
    let wanted = try binaryKey(watched, places)
    var held: Set<ParkingKey> = []
    try SampleCheck.forEachBatch(of: org, through: end, reader) { batch in
      let triage = Triage(batch, for: P.self, after: 0, held: held, poisons: poisons)
      held = triage.heldKeys
      for event in triage.good {
        try folder.fold([event])
        watched.closeEvent(at: event.position)
        watched.takeVersions { versions in
          for row in versions.rows() where places.map({ row[$0] }) == wanted {
            let isDeleted = row.count > watched.columns.count && row.last == [1]
            visit(event.position, isDeleted ? nil : Array(row.prefix(watched.columns.count)))
          }
        }
      }
    }
  }

  private func binaryKey(_ table: any ProjectionTable, _ places: [Int]) throws -> Fields {
    var writer = RowWriter()
    writer.row(columnCount: places.count)
    for (place, text) in zip(places, key) {
      switch table.columns[place].type {
      case .uuid: writer.uuid(UUIDText.decode(text))
      case .bigint: writer.bigint(Int64(text))
      case .text: writer.text(text)
      case .boolean, .date, .jsonb, .textArray, .timestamp:
        throw RowError(table: self.table, reason: "its key has a \(table.columns[place].type)")
      }
    }
    return writer.rows().first ?? []
  }

  /// The stored row, read and written again as the fold would.
  private func liveRow(_ connection: PostgresConnection) throws -> Fields? {
    let tables = P.Tables()
    guard let table = tables.all.first(where: { $0.tableName == table }) else { return nil }
    let conditions = keyColumns.enumerated().map { index, name in
      "\(quotedIdentifier(name))::text = $\(index + 1)"
    }
    let rows = try connection.query(
      """
      SELECT \(table.columnList()) FROM \(quotedIdentifier(P.schema)).\
      \(quotedIdentifier(table.tableName)) WHERE \(conditions.joined(separator: " AND "))
      """, key.map(PostgresValue.text))
    guard let row = rows.first, table.keyColumnCount > 0 else { return nil }
    var reader = RowReader(row, table: table.tableName)
    try table.absorb(&reader)
    return table.residentRows().rows().first
  }
}

extension RowWriter {
  /// The rows that were written, taken apart again.
  func rows() -> [[[UInt8]?]] {
    var rows: [[[UInt8]?]] = []
    var place = bytes.startIndex
    func integer(_ byteCount: Int) -> Int {
      defer { place += byteCount }
      let value = bytes[place..<place + byteCount].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      return byteCount == 4 ? Int(Int32(bitPattern: value)) : Int(value)
    }
    while place < bytes.endIndex {
      let count = integer(2)
      var fields: [[UInt8]?] = []
      for _ in 0..<count {
        let length = integer(4)
        fields.append(length < 0 ? nil : Array(bytes[place..<place + length]))
        place += max(0, length)
      }
      rows.append(fields)
    }
    return rows
  }
}
