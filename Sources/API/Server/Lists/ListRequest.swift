import Application
import Crypto
import Domain
import EventLog
import HTTP
import JSON
import ProjectionRuntime

/// What every list takes and gives, whatever it is a list of. Its operation is made by `Operation.list`,
/// so that no list lacks any of it.
struct ListDefinition: Sendable {
  typealias Rows = @Sendable (Exchange, ListRequest) async throws(APIError) -> ListRows

  /// The orders, the usual one first; each also the other way round: `-created_at`, `created_at`.
  let sorts: [String]
  /// Whether `as_of` is answered: all that the list reads keeps its history.
  let keepsHistory: Bool
  /// Whether `rows` heeds the whole order, or its leading key alone.
  let order: Ordering
  /// Whether `filter` is the handler's business: of contacts, which know more than their fields say.
  let filtersItself: Bool
  let rows: Rows

  /// Whether all rows are at hand, and each read puts them together anew.
  var isAtHand: Bool {
    if case .whole = order { true } else { false }
  }

  enum Ordering: Sendable {
    /// The handler orders by all keys.
    case whole
    /// The handler orders by the leading key; rows that are equal in it are put in order by `TiedRows`.
    case leading
    /// The first where the order begins with one of these names.
    case wholeBehind([String])

    func isWhole(_ order: SortOrder) -> Bool {
      switch self {
      case .whole: true
      case .leading: order.keys.count == 1
      case .wholeBehind(let names): order.keys.count == 1 || names.contains(order.leading.name)
      }
    }
  }
}

/// One stretch of a list, as its handler is asked for it.
struct ListRequest: Sendable {
  /// What the list's first page saw; every other page of it sees the same.
  struct Pin: Sendable, Equatable {
    var position: UInt64
    /// The org's clock then.
    var momentMicros: Micros
  }

  var page: PageRequest
  var sort: SortOrder
  /// nil on the first page.
  var pin: Pin?
  /// `as_of` was asked for.
  var asOf: AsOf?

  /// The moment that the list is about, on the org's clock.
  func nowMicros(_ exchange: Exchange) -> Micros {
    asOf?.momentMicros ?? pin?.momentMicros ?? exchange.nowMicros
  }
}

/// A stretch of a list in the direction in which it was walked.
struct ListRows: Sendable {
  var items: [JSON]
  var cursors: [String]
  /// The row that was looked at last, where that is not the last of the items: it goes on there.
  var reached: String?
  var hasMore: Bool
  var total: Int?
  /// The position that it was read at.
  var position: UInt64
  /// Whether the items are answered from a read model.
  var isFromReadModel = true
}

extension Operation {
  /// A list: pages pinned to a position in both directions, filters, sorts, counts and lines.
  static func list(
    _ path: String, _ scope: String, alsoNeeds: [String] = [], _ summary: String,
    details: String = "", parameters: [Parameter] = [], of item: Schema,
    sorts: [String] = ["-created_at"],
    order: ListDefinition.Ordering = .whole, keepsHistory: Bool = false,
    filtersItself: Bool = false, refuses: [Int: [String]] = [:], rows: @escaping ListDefinition.Rows
  ) -> Operation {
    var sorts = sorts
    if item.hasProperty("id"), !sorts.contains(where: { SortOrder.Key($0).name == "id" }) {
      // What is at hand can be put in any order; what a database walks has an index for those that it names.
      guard case .whole = order else { preconditionFailure("\(path) has no order by id") }
      sorts.append("id")
    }
    let definition = ListDefinition(
      sorts: sorts, keepsHistory: keepsHistory, order: order, filtersItself: filtersItself,
      rows: rows)
    var all = parameters
    all += [
      filtersItself ? .contactFilter : Parameter.filter,
      Parameter.sort(sorts.flatMap(\.bothWays)),
      Parameter.count,
    ]
    if keepsHistory { all.append(.asOf) }
    all += [Parameter.limit, Parameter.after, Parameter.before]
    return Operation(
      "GET", path, .scope(scope), alsoNeeds: alsoNeeds, summary, details: details,
      parameters: all,
      answers: [.list(item)],
      refuses: refuses.merging([
        400: ["invalid_cursor", "cursor_expired", "invalid_filter", "answer_too_large"]
      ]) {
        $0 + $1
      }, list: definition
    ) { exchange throws(APIError) in
      try await ListReader(exchange: exchange, definition: definition).answer()
    }
  }
}

extension String {
  /// The order and the same the other way round.
  fileprivate var bothWays: [String] { [self, hasPrefix("-") ? String(dropFirst()) : "-" + self] }
}

extension Schema {
  fileprivate func hasProperty(_ name: String) -> Bool {
    guard case .object(let properties, _) = shape else { return false }
    return properties.contains { $0.name == name }
  }
}

// MARK: - Cursors

/// A place in one list of one account, and what its first page saw. Opaque to callers.
struct ListCursor: Equatable {
  /// Of the path, the account, the filters and the order.
  let list: UInt64
  let pin: ListRequest.Pin
  /// The row, in the words of the read model.
  let place: String

  init(list: UInt64, pin: ListRequest.Pin, place: String) {
    self.list = list
    self.pin = pin
    self.place = place
  }

  /// nil where `text` is no cursor at all.
  init?(_ text: String) {
    let parts = text.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 4, let list = UInt64(parts[0], radix: 36),
      let position = UInt64(parts[1], radix: 36), let moment = Int64(parts[2], radix: 36),
      Timestamp.fourDigitYears.contains(moment)
    else { return nil }
    self.init(
      list: list, pin: .init(position: position, momentMicros: moment), place: String(parts[3]))
  }

  var text: String {
    let head = [String(list, radix: 36), String(pin.position, radix: 36)]
    return (head + [String(pin.momentMicros, radix: 36), place]).joined(separator: "_")
  }
}

extension Exchange {
  /// What a cursor has to have been made for: this list with these filters in this order.
  var listName: UInt64 {
    let own: Set<String> = [
      "limit", "after", "before", "count", "fields", "expand", "wait",
    ]
    let asked = request.query.filter { !own.contains($0.name) }.map { "\($0.name)=\($0.value)" }
    let text = ([org.text, request.path] + asked.sorted()).joined(separator: "\n")
    return SHA256.hash(Array(text.utf8)).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  }

  func listRequest(_ definition: ListDefinition) throws(APIError) -> ListRequest {
    let sort = SortOrder(query("sort") ?? definition.sorts[0])
    var page = PageRequest(limit: try limit())
    page.isReversed = !definition.sorts.contains(sort.leading.text)
    page.isBackwards = query("before") != nil
    page.wantsTotal = query("count") == "exact"
    var list = ListRequest(page: page, sort: sort)
    if definition.keepsHistory { list.asOf = try asOf() }
    guard let text = query("before") ?? query("after") else { return list }
    let cursor = try listCursor(text)
    list.page.after = cursor.place
    list.pin = cursor.pin
    list.page.upTo = cursor.pin.position
    list.page.upToMicros = cursor.pin.momentMicros
    return list
  }

  private func listCursor(_ text: String) throws(APIError) -> ListCursor {
    let name = query("before") == nil ? "after" : "before"
    guard name == "after" || query("after") == nil else {
      throw .invalid("before", "invalid_cursor", "Give after or before, not both.")
    }
    guard let cursor = ListCursor(text), cursor.list == listName else {
      throw .invalid(
        name, "invalid_cursor",
        "\(name) is no cursor of this list: take `next` or `previous` of one of its pages, with the "
          + "same filters and the same order.")
    }
    let head = try head()
    guard cursor.pin.position <= head else {
      throw .invalid(
        name, "cursor_expired",
        "The cursor is of position \(cursor.pin.position), and the log ends at \(head): begin again."
      )
    }
    return cursor
  }
}
