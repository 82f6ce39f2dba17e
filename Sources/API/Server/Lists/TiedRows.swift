import JSON
import ProjectionRuntime

/// A list whose handler orders it by the leading key alone: rows that are equal in that key, as it is shown, are read
/// whole and put in order by the further keys.
///
/// Few are equal in a moment or a position: what one commit wrote. The place in such a list is that of the row in the
/// handler's own order, and the values of its keys.
struct TiedRows {
  let exchange: Exchange
  let definition: ListDefinition

  /// Rows that are read in one go: few at first, since most groups are small.
  private static let chunk = 32
  private static let largestChunk = 2_000
  /// Bytes of a page and a group that is put in order.
  private static let roomBytes = 4 * PageRoom.bytes

  /// Rows in the order of the walk, with their places in the handler's order.
  private struct Stretch {
    var items: [JSON] = []
    var cursors: [String] = []
    var hasMore = true
    var byteCount = 0

    mutating func add(_ rows: ListRows) {
      items += rows.items
      cursors += rows.cursors
      hasMore = rows.hasMore
      byteCount += rows.items.roughBytes
    }

    /// How many rows to read next.
    var nextRead: Int {
      PageRoom.nextRead(after: items.count, of: byteCount, most: largestChunk)
    }

    /// - Throws: 400 where the rows that are equal do not fit in memory, and so cannot be put in order.
    func requireRoom() throws(APIError) {
      guard byteCount > TiedRows.roomBytes else { return }
      throw .invalid(
        "sort", "answer_too_large",
        "More than \(TiedRows.roomBytes >> 20) MiB of rows are equal in the first key. Order by it alone."
      )
    }
  }

  func rows(_ request: ListRequest) async throws(APIError) -> ListRows {
    let order = RowOrder(
      keys: Array(request.sort.tiebreaks), last: false, isBackwards: request.page.isBackwards)
    var place: Place?
    if let text = request.page.after { place = try Place(text, order) }
    var walk = request
    walk.page.after = place?.cursor
    walk.page.limit = min(max(request.page.limit + 1, Self.chunk), PageRoom.firstRead)
    var behind = Stretch()
    if let place { behind = try await equals(of: place, walk) }
    var first: ListRows?
    var ahead = Stretch()
    // Whole groups, until the page is full and one row more is known.
    while ahead.hasMore, !isEnough(ahead, from: place, order, request) {
      try ahead.requireRoom()
      let rows = try await definition.rows(exchange, walk)
      if walk.pin == nil { walk.pin(at: rows.position, exchange) }
      walk.page.wantsTotal = false
      walk.page.after = rows.cursors.last ?? walk.page.after
      first = first ?? rows
      ahead.add(rows)
      walk.page.limit = ahead.nextRead
    }
    guard var answer = first else { preconditionFailure("an empty stretch has more") }
    let found = complete(ordered(behind, ahead, from: place, order, request), ahead)
    let page = found.prefix(request.page.limit)
    answer.items = page.map(\.item)
    answer.cursors = page.map { Place(cursor: $0.cursor, lead: $0.lead, values: $0.place).text }
    answer.hasMore = ahead.hasMore || found.count > request.page.limit
    return answer
  }

  /// Whether a page and one row more are known whatever the last group goes on with, or as many as a page has room for.
  private func isEnough(
    _ ahead: Stretch, from place: Place?, _ order: RowOrder, _ request: ListRequest
  ) -> Bool {
    let rows = complete(ordered(Stretch(), ahead, from: place, order, request), ahead)
    return rows.count > request.page.limit
      || ahead.byteCount > PageRoom.bytes
        && rows.lazy.map(\.item).roughBytes > PageRoom.bytes
  }

  /// Without the group at the end of the stretch, which may go on.
  private func complete(_ rows: [Row], _ ahead: Stretch) -> ArraySlice<Row> {
    guard ahead.hasMore, let last = rows.last?.lead else { return rows[...] }
    return rows.prefix { $0.lead != last }
  }

  /// The rows on the other side of a row that are equal to it in the leading key, in the order of the walk.
  private func equals(of place: Place, _ walk: ListRequest) async throws(APIError) -> Stretch {
    var back = walk
    back.page.isBackwards.toggle()
    back.page.after = place.cursor
    back.page.limit = Self.chunk
    back.page.wantsTotal = false
    var found = Stretch()
    while found.hasMore {
      try found.requireRoom()
      let rows = try await definition.rows(exchange, back)
      let equal = rows.items.prefix { RowOrder.value($0, walk.sort.leading.name) == place.lead }
      found.items += equal
      found.byteCount += equal.roughBytes
      found.cursors += rows.cursors.prefix(equal.count)
      found.hasMore = rows.hasMore && equal.count == rows.items.count
      back.page.after = rows.cursors.last
      back.page.limit = found.nextRead
    }
    found.items.reverse()
    found.cursors.reverse()
    return found
  }

  private typealias Row = (item: JSON, cursor: String, lead: String, place: [String])

  /// What follows `place`: group after group, each in its order.
  private func ordered(
    _ behind: Stretch, _ ahead: Stretch, from place: Place?, _ order: RowOrder,
    _ request: ListRequest
  ) -> [Row] {
    let lead = request.sort.leading.name
    let items = zip(behind.items + ahead.items, behind.cursors + ahead.cursors)
    let rows = items.map { item, cursor -> Row in
      (
        item, cursor, RowOrder.value(item, lead),
        order.place(of: item, key: item["id"]?.string ?? "")
      )
    }
    var all: [Row] = []
    for group in rows.chunked(by: \.lead) {
      let kept = group.filter { row in
        guard let place, row.lead == place.lead else { return true }
        return order.precedes(place.values, row.place)
      }
      all += kept.sorted { order.precedes($0.place, $1.place) }
    }
    return all
  }

  /// A row's place: in the handler's order, and by its keys.
  private struct Place {
    let cursor: String
    let lead: String
    let values: [String]

    init(cursor: String, lead: String, values: [String]) {
      self.cursor = cursor
      self.lead = lead
      self.values = values
    }

    init(_ text: String, _ order: RowOrder) throws(APIError) {
      let parts = text.split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 3, let values = order.place(String(parts[2])),
        let lead = RowOrder.word(String(parts[1]))
      else {
        throw .invalid("after", "invalid_cursor", "after is no cursor of this list.")
      }
      self.init(cursor: String(parts[0]), lead: lead, values: values)
    }

    var text: String {
      [cursor, RowOrder.text(of: [lead]), RowOrder.text(of: values)].joined(separator: "-")
    }
  }
}

extension Array {
  /// Neighbours with the same value of `key`, together.
  fileprivate func chunked<Key: Equatable>(by key: (Element) -> Key) -> [ArraySlice<Element>] {
    var chunks: [ArraySlice<Element>] = []
    var start = startIndex
    for index in indices.dropFirst() where key(self[index]) != key(self[index - 1]) {
      chunks.append(self[start..<index])
      start = index
    }
    return isEmpty ? [] : chunks + [self[start...]]
  }
}
