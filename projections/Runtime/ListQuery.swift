package import Postgres

/// A list in SQL: what it selects and in which order. It gives pages in both directions, of the list as
/// it stands or the other way round, and how many rows there are.
package struct ListQuery<Row: Sendable>: Sendable {
  /// A column of the order: never null, and the last one different for every row.
  package struct Key: Sendable {
    package enum Kind: Sendable {
      case bigint, timestamp, uuid, text
    }

    let sql: String
    let kind: Kind
    /// It goes the other way than the first key does.
    let isTurned: Bool

    package init(_ sql: String, _ kind: Kind, isTurned: Bool = false) {
      self.sql = sql
      self.kind = kind
      self.isTurned = isTurned
    }
  }

  /// In front of its cursors: one of another list is refused.
  let name: String
  let columns: String
  let source: String
  let order: [Key]
  let isDescending: Bool
  let row: @Sendable (PostgresRow) throws -> Row
  let place: @Sendable (Row) -> [String]

  package init(
    _ name: String, columns: String, source: String, order: [Key], isDescending: Bool,
    row: @escaping @Sendable (PostgresRow) throws -> Row,
    place: @escaping @Sendable (Row) -> [String]
  ) {
    self.name = name
    self.columns = columns
    self.source = source
    self.order = order
    self.isDescending = isDescending
    self.row = row
    self.place = place
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package func page(
    _ conditions: Conditions, _ page: PageRequest, _ connection: PostgresConnection
  ) throws -> QueryPage<Row> {
    var conditions = conditions
    let total = page.wantsTotal ? try count(conditions, connection) : nil
    let goesDown = page.goesDown(isDescending)
    if let parts = try Cursor.parts(of: page.after, name, count: order.count) {
      let values = try zip(order, parts).map { key, part throws(InvalidCursor) in
        conditions.parameter(try key.value(part))
      }
      conditions.add(behind(values, goesDown: goesDown))
    }
    let order = order.map { $0.sql + (goesDown != $0.isTurned ? " DESC" : "") }
      .joined(separator: ", ")
    let found = try connection.query(
      """
      SELECT \(columns) FROM \(source) \(conditions.sql)
      ORDER BY \(order) LIMIT \(page.limit + 1)
      """, conditions.parameters)
    return QueryPage(try found.map(row), limit: page.limit, total: total) { cursor(of: $0) }
  }

  package func cursor(of row: Row) -> Cursor { Cursor(name, place(row)) }

  package func cursor(at place: [String]) -> Cursor { Cursor(name, place) }

  /// The values of the keys in a cursor of this list; nil for nil.
  package func parts(of cursor: String?) throws(InvalidCursor) -> [String]? {
    try Cursor.parts(of: cursor, name, count: order.count)
  }

  /// The rows behind the one with these values. One comparison of whole rows where all keys go the same way: it
  /// bounds the walk of an index. Else the first key bounds it, and the others decide among its equals.
  private func behind(_ values: [String], goesDown: Bool) -> String {
    guard order.contains(where: \.isTurned) else {
      let columns = order.map(\.sql).joined(separator: ", ")
      return "(\(columns)) \(goesDown ? "<" : ">") (\(values.joined(separator: ", ")))"
    }
    let steps = zip(order, values).map { key, value in
      (column: key.sql, sign: goesDown != key.isTurned ? "<" : ">", value: value)
    }
    let decided = steps.reversed().reduce("false") { rest, step in
      """
      \(step.column) \(step.sign) \(step.value) OR (\(step.column) = \(step.value) AND (\(rest)))
      """
    }
    return "\(steps[0].column) \(steps[0].sign)= \(steps[0].value) AND (\(decided))"
  }

  package func count(
    _ conditions: Conditions, _ connection: PostgresConnection
  ) throws -> Int {
    let rows = try connection.query(
      "SELECT count(*) FROM \(source) \(conditions.sql)", conditions.parameters)
    return try rows.first.map { Int(try $0.int64(0)) } ?? 0
  }
}

extension ListQuery.Key {
  fileprivate func value(_ part: String) throws(InvalidCursor) -> PostgresValue {
    switch kind {
    case .text:
      // No text of a row has that byte, and no parameter can.
      guard !part.utf8.contains(0) else { throw InvalidCursor() }
      return .text(part)
    case .uuid:
      // Written anew: digits are read from more than the database takes.
      guard let value = UUIDText.decode(part) else { throw InvalidCursor() }
      return .uuid(value)
    case .bigint:
      guard let number = Int64(part) else { throw InvalidCursor() }
      return .int(number)
    case .timestamp:
      return .timestampMicros(try Cursor.micros(part))
    }
  }
}

extension PageRequest {
  /// Whether a list in descending or ascending order is walked downwards. Two turns cancel each other.
  package func goesDown(_ isDescending: Bool) -> Bool {
    (isDescending != isReversed) != isBackwards
  }
}

extension Conditions {
  /// Only what was there already when the list was first asked for.
  package mutating func addPin(_ page: PageRequest, position column: String) {
    addIfPresent("\(column) <= ?", page.upTo.map { .int(Int64(clamping: $0)) })
  }

  /// The same, for rows that do not say where in the log they came to be.
  package mutating func addPin(_ page: PageRequest, createdAt column: String) {
    addIfPresent("\(column) <= ?", page.upToMicros.map(PostgresValue.timestampMicros))
  }
}
