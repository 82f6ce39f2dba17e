import Domain
import HTTP
import JSON

// What every read takes beside its own parameters: `fields`, `expand`, and any list as NDJSON.

/// Puts objects in the place of their ids, and leaves out what was not asked for.
struct Shape: Sendable {
  /// As deep as `expand` goes: `message.contact` is two.
  static let depthLimit = 4
  /// Objects that one answer may be expanded by.
  static let expansionLimit = 500
  /// Bytes that they may add to it: each time that an object stands there, its own.
  static let expansionBytes = 8 << 20

  let fields: [String]?
  let paths: [[String]]

  /// nil where the request asks for neither.
  init?(_ exchange: Exchange) throws(APIError) {
    fields = exchange.query("fields").map(Self.words)
    paths =
      exchange.query("expand").map(Self.words)?.map {
        $0.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      } ?? []
    guard paths.allSatisfy({ (1...Self.depthLimit).contains($0.count) }) else {
      throw .invalid(
        "expand", "out_of_range", "expand takes names that go at most \(Self.depthLimit) deep.")
    }
    let known = exchange.operation.answers.first?.fieldNames ?? []
    if let stranger = paths.first(where: { !known.contains($0[0]) || $0.contains("") }) {
      throw .invalid(
        "expand", "unknown_parameter", "There is no field \(stranger.joined(separator: ".")) here.")
    }
    if fields == nil, paths.isEmpty { return nil }
  }

  private static func words(_ text: String) -> [String] {
    text.split(separator: ",").map(String.init)
  }

  /// Reads the object with an id, as the caller may; nil where the caller may not.
  typealias Reader = @Sendable (Identifier) async -> JSON?

  /// What an answer was expanded by.
  private struct Expansion {
    /// With their bytes; `.null` where the caller may not read it.
    var objects: [Identifier: (object: JSON, byteCount: Int)] = [:]
    var byteCount = 0
  }

  func apply(to answer: JSON, read: Reader) async throws(APIError) -> JSON {
    var known = Expansion()
    // What has `data` and no other pages is no list of objects, but one object: the prices.
    guard var list = answer.object, let items = list["data"]?.array, list["has_more"] != nil
    else { return try await shaped(answer, &known, read) }
    var shapedItems: [JSON] = []
    for item in items { shapedItems.append(try await shaped(item, &known, read)) }
    list["data"] = .array(shapedItems)
    return .object(list)
  }

  private func shaped(
    _ item: JSON, _ known: inout Expansion, _ read: Reader
  ) async throws(APIError) -> JSON {
    var item = item
    for path in paths { item = try await expanded(item, path[...], &known, read) }
    guard let fields, let object = item.object else { return item }
    return .object(JSONObject(object.fields.filter { fields.contains($0.key) }))
  }

  private func expanded(
    _ item: JSON, _ path: ArraySlice<String>, _ known: inout Expansion, _ read: Reader
  ) async throws(APIError) -> JSON {
    guard let name = path.first, var object = item.object, let value = object[name] else {
      return item
    }
    var found = value
    if let text = value.string, let id = Identifier(text) {
      guard known.objects[id] != nil || known.objects.count < Self.expansionLimit else {
        throw .invalid(
          "expand", "too_many",
          "An answer is expanded by \(Self.expansionLimit) objects at most. Use a smaller limit.")
      }
      if known.objects[id] == nil {
        let object = await read(id) ?? .null
        known.objects[id] = (object, object.isNull ? 0 : object.bytes().count)
      }
      if let target = known.objects[id], !target.object.isNull {
        known.byteCount += target.byteCount
        guard known.byteCount <= Self.expansionBytes else { throw .answerTooLarge }
        found = target.object
      }
    }
    object[name] = try await expanded(found, path.dropFirst(), &known, read)
    return .object(object)
  }
}

/// Any list as NDJSON: page after page while the client reads. Nothing is read before there is room for it, and no more
/// than a client may keep who does not read on.
enum ListStream {
  static let mediaType = "application/x-ndjson"
  /// The bytes of a page, where it has more than one object.
  static let pageBytes = 256 << 10

  /// One page of the list: behind a cursor, or the first.
  typealias PageReader =
    @Sendable (_ after: String?, _ limit: Int) async throws(APIError) -> JSON

  static func isWanted(_ request: HTTPRequest) -> Bool {
    request.prefers(mediaType)
  }

  /// `first`: the first page, where it is there. What fails on the way is the last line, an error object.
  static func response(
    first: JSON?, limit: Int, page: @escaping PageReader, requestID: String
  ) -> HTTPResponse {
    let pages = Pages(first: first, limit: limit, page, requestID)
    return HTTPResponse(
      status: 200, headers: ["content-type": mediaType, "cache-control": "no-store"],
      body: .stream(AsyncStream { await pages.next() }))
  }

  private actor Pages {
    private let read: PageReader
    private let requestID: String
    private var first: JSON?
    /// What was asked for, and what of it is small enough.
    private let mostLimit: Int
    private var limit: Int
    private var after: String?
    private var isOver = false

    init(first: JSON?, limit: Int, _ read: @escaping PageReader, _ requestID: String) {
      self.first = first
      self.read = read
      self.requestID = requestID
      mostLimit = limit
      self.limit = first == nil ? max(1, limit / 2) : limit
    }

    func next() async -> [UInt8]? {
      while !isOver, !Task.isCancelled {
        do throws(APIError) {
          if let lines = try await lines(), !lines.isEmpty { return lines }
        } catch {
          // Without it the list would end as if it were whole.
          isOver = true
          return error.json(requestID: requestID).bytes() + [10]
        }
      }
      return nil
    }

    /// Those of the next page; nil where it has to be read again in smaller parts.
    private func lines() async throws(APIError) -> [UInt8]? {
      guard let page = try await page() else { return nil }
      let items = page["data"]?.array ?? []
      var bytes: [UInt8] = []
      for item in items { bytes += item.bytes() + [10] }
      // A list that answers with more than it is asked for has no smaller parts.
      if bytes.count > ListStream.pageBytes, items.count > 1, items.count <= limit {
        limit = max(1, items.count * ListStream.pageBytes / bytes.count)
        return nil
      }
      if bytes.count < ListStream.pageBytes / 4 { limit = min(mostLimit, limit * 2) }
      after = page["next"]?.string
      isOver = page["has_more"]?.bool != true || after == nil
      return bytes
    }

    private func page() async throws(APIError) -> JSON? {
      if let page = first {
        first = nil
        return page
      }
      do throws(APIError) {
        return try await read(after, limit)
      } catch {
        guard error.isAnswerTooLarge, limit > 1 else { throw error }
        limit /= 2
        return nil
      }
    }
  }
}

extension HTTPResponse {
  /// The body as JSON where it is.
  var jsonBody: JSON? {
    guard case .bytes(let bytes) = body, headers["content-type"] == "application/json" else {
      return nil
    }
    return try? JSON(parsing: bytes)
  }

  /// The same head with another JSON body.
  func replacing(_ json: JSON) -> HTTPResponse {
    var copy = self
    copy.body = .bytes(json.bytes())
    return copy
  }
}

extension HTTPRequest {
  /// Whether the client named `mediaType` and wants JSON no more than that (RFC 9110, 12.5.1). Named by itself: `*/*` is
  /// content with JSON.
  func prefers(_ mediaType: String) -> Bool {
    guard let header = headers["accept"], header.contains(mediaType) else { return false }
    var (wanted, json) = (0.0, 0.0)
    for range in header.split(separator: ",") {
      let parts = range.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
      let quality =
        parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      switch parts.first {
      case mediaType: wanted = max(wanted, quality)
      case "application/json", "application/*", "*/*": json = max(json, quality)
      default: break
      }
    }
    return wanted > 0 && wanted >= json
  }

  /// The same request for a page of so many; nil: behind no other cursor than its own.
  func page(after cursor: String?, limit: Int) -> HTTPRequest {
    var copy = self
    copy.query.removeAll { $0.name == "limit" }
    copy.query.append(QueryItem(name: "limit", value: String(limit)))
    guard let cursor else { return copy }
    copy.query.removeAll { ["after", "before"].contains($0.name) }
    copy.query.append(QueryItem(name: "after", value: cursor))
    return copy
  }
}

extension APIError {
  fileprivate static let answerTooLarge: APIError = .invalid(
    "expand", "answer_too_large",
    "expand would add more than \(Shape.expansionBytes >> 20) MiB to the answer. Use a smaller limit, or expand less."
  )

  var isAnswerTooLarge: Bool { code == Self.answerTooLarge.code }
}
