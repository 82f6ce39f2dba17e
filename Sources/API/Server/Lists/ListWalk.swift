import Domain
import JSON
import ProjectionRuntime

/// Goes through a list itself, since no query knows what is looked for: stretch after stretch, for as long as one
/// answer may take, and no longer than there is somebody who may have it.
struct ListWalk {
  typealias Rows = (ListRequest) async throws(APIError) -> ListRows

  /// Rows that are read first.
  var firstRead = PageRoom.firstRead
  /// What is looked for, at the moment that the list is about.
  let matches: (JSON, _ atMicros: Micros) -> Bool
  /// The moment that a list is about, as long as its request does not say.
  let nowMicros: () -> Micros
  /// After it no stretch begins.
  let deadline: ContinuousClock.Instant
  /// Throws what the caller is told who has lost the right meanwhile.
  let right: () throws(APIError) -> Void

  /// Rows that are read in one go at most, since some are large.
  static let stretch = 500
  /// What is at hand was put together whole for the first stretch, and would be for each.
  private static let rest = 1_000_000

  private enum End {
    case ofList, ofInterest
    /// The row that was looked at last.
    case ofTime(String)
  }

  /// As many rows as were asked for, or those up to where time ran out or the page has no more room: the next page goes on
  /// there.
  func page(_ request: ListRequest, of rows: Rows) async throws(APIError) -> ListRows {
    let limit = request.page.limit
    var found = ListRows(items: [], cursors: [], hasMore: false, position: 0)
    var isFirst = true
    var byteCount = 0
    let end = try await walk(request, rows) { stretch, matching in
      if isFirst { found.position = stretch.position }
      isFirst = false
      found.isFromReadModel = stretch.isFromReadModel
      let wanted = matching.prefix(limit - found.items.count)
      let taken = wanted.prefix(
        PageRoom.count(of: wanted.lazy.map { stretch.items[$0] }, beside: &byteCount))
      found.items += taken.map { stretch.items[$0] }
      found.cursors += taken.map { stretch.cursors[$0] }
      // One more row than there is room for says that there is another page.
      found.hasMore = taken.count < matching.count
      return !found.hasMore
    }
    if case .ofTime(let cursor) = end {
      found.hasMore = true
      found.reached = cursor
    }
    return found
  }

  /// How many rows match in the whole list.
  func count(_ request: ListRequest, of rows: Rows) async throws(APIError) -> Int {
    var whole = request
    whole.page.after = nil
    whole.page.isBackwards = false
    var count = 0
    let end = try await walk(whole, rows) { _, matching in
      count += matching.count
      return true
    }
    // A part of them is no total.
    if case .ofTime = end { throw .readTookTooLong }
    return count
  }

  /// `isWanted`: whether to go on, after a stretch of which so many rows match.
  private func walk(
    _ request: ListRequest, _ rows: Rows,
    isWanted: (_ stretch: ListRows, _ matching: [Int]) -> Bool
  ) async throws(APIError) -> End {
    var next = request
    next.page.wantsTotal = false
    next.page.limit = firstRead
    while true {
      let stretch = try await rows(next)
      if next.pin == nil { next.pin(at: stretch.position, momentMicros: moment(of: next)) }
      let atMicros = moment(of: next)
      let matching = stretch.items.indices.filter { matches(stretch.items[$0], atMicros) }
      guard isWanted(stretch, matching) else { return .ofInterest }
      guard stretch.hasMore, let last = stretch.cursors.last else { return .ofList }
      guard !Task.isCancelled else { throw .clientGone }
      try right()
      guard ContinuousClock.now < deadline else { return .ofTime(last) }
      next.page.after = last
      next.page.limit =
        stretch.isFromReadModel
        ? PageRoom.nextRead(
          after: stretch.items.count, of: stretch.items.roughBytes, most: Self.stretch) : Self.rest
    }
  }

  private func moment(of request: ListRequest) -> Micros {
    request.asOf?.momentMicros ?? request.pin?.momentMicros ?? nowMicros()
  }
}
