import Domain
import JSON
import ProjectionRuntime

/// What a page of a list has room for, in bytes: an object may have half a megabyte, and a page two hundred of them. It
/// ends earlier then, and the next one goes on there.
enum PageRoom {
  /// As much as `expand` may add.
  static let bytes = Shape.expansionBytes
  /// Rows that are read before anybody knows how large they are. What is at hand is put together whole for each read.
  static let firstRead = 100

  /// As many rows as were asked for, or those that there is room for. Many are read in parts, so that no more is in memory
  /// than that.
  static func page(
    _ request: ListRequest, firstRead: Int = firstRead, nowMicros: () -> Micros,
    of rows: ListWalk.Rows
  ) async throws(APIError) -> ListRows {
    var part = request
    part.page.limit = min(request.page.limit, firstRead)
    var page = try await rows(part)
    var byteCount = 0
    var count = Self.count(of: page.items, beside: &byteCount)
    while count == page.items.count, count < request.page.limit, page.hasMore,
      let last = page.cursors.last
    {
      if part.pin == nil {
        part.pin(
          at: page.position, momentMicros: request.asOf?.momentMicros ?? nowMicros())
      }
      part.page.wantsTotal = false
      part.page.after = last
      part.page.limit = nextRead(after: count, of: byteCount, most: request.page.limit - count)
      let next = try await rows(part)
      count += Self.count(of: next.items, beside: &byteCount)
      page.items += next.items
      page.cursors += next.cursors
      page.hasMore = next.hasMore
    }
    guard count < page.items.count else { return page }
    page.items.removeSubrange(count...)
    page.cursors.removeSubrange(count...)
    page.hasMore = true
    return page
  }

  /// As many of `items` as there is room for beside `taken` bytes; of a page's first ones one at least.
  static func count(of items: some Collection<JSON>, beside taken: inout Int) -> Int {
    var count = 0
    for item in items {
      let size = item.roughBytes
      guard taken == 0 || taken + size <= bytes else { break }
      taken += size
      count += 1
    }
    return count
  }

  /// How many rows to read next, after `count` of so many bytes: no more than `most`, and no more at once than there is
  /// room for where they go on like that.
  static func nextRead(after count: Int, of byteCount: Int, most: Int) -> Int {
    guard count > 0, byteCount > 0 else { return most }
    return min(most, max(1, bytes / max(1, byteCount / count)), max(firstRead, count * 4))
  }
}

extension JSON {
  /// About as many bytes as its text has, without writing it.
  var roughBytes: Int {
    switch self {
    case .null, .bool: 5
    case .int, .double: 10
    case .string(let text): text.utf8.count + 3
    case .array(let items): items.reduce(2) { $0 + $1.roughBytes }
    case .object(let object):
      object.fields.reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.roughBytes }
    }
  }
}

extension Collection<JSON> {
  var roughBytes: Int { reduce(0) { $0 + $1.roughBytes } }
}
