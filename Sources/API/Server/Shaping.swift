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

  func apply(to answer: JSON, read: Reader) async throws(APIError) -> JSON {
    var known: [Identifier: JSON] = [:]
    // What has `data` and no other pages is no list of objects, but one object: the prices.
    guard var list = answer.object, let items = list["data"]?.array, list["has_more"] != nil
    else { return try await shaped(answer, &known, read) }
    var shapedItems: [JSON] = []
    for item in items { shapedItems.append(try await shaped(item, &known, read)) }
    list["data"] = .array(shapedItems)
    return .object(list)
  }

  private func shaped(
    _ item: JSON, _ known: inout [Identifier: JSON], _ read: Reader
  ) async throws(APIError) -> JSON {
    var item = item
    for path in paths { item = try await expanded(item, path[...], &known, read) }
    guard let fields, let object = item.object else { return item }
    return .object(JSONObject(object.fields.filter { fields.contains($0.key) }))
  }

  private func expanded(
    _ item: JSON, _ path: ArraySlice<String>, _ known: inout [Identifier: JSON], _ read: Reader
  ) async throws(APIError) -> JSON {
    guard let name = path.first, var object = item.object, let value = object[name] else {
      return item
    }
    var found = value
    if let text = value.string, let id = Identifier(text) {
      guard known[id] != nil || known.count < Self.expansionLimit else {
        throw .invalid(
          "expand", "too_many",
          "An answer is expanded by \(Self.expansionLimit) objects at most. Use a smaller limit.")
      }
      if known[id] == nil { known[id] = await read(id) ?? .null }
      if let target = known[id], !target.isNull { found = target }
    }
    object[name] = try await expanded(found, path.dropFirst(), &known, read)
    return .object(object)
  }
}

/// Any list as NDJSON: page after page while the client reads.
enum ListStream {
  static let mediaType = "application/x-ndjson"

  static func isWanted(_ request: HTTPRequest) -> Bool {
    request.prefers(mediaType)
  }

  /// `page` answers one page of the list. What fails on the way is the last line, an error object.
  static func response(
    first: JSON, page: @escaping @Sendable (_ after: String) async throws(APIError) -> JSON,
    requestID: String
  ) -> HTTPResponse {
    let (lines, continuation) = AsyncStream<[UInt8]>.makeStream(
      bufferingPolicy: .bufferingOldest(4))
    @Sendable func send(_ bytes: [UInt8]) async {
      while case .dropped = continuation.yield(bytes), !Task.isCancelled {
        // The client reads more slowly than the pages come. Cut short only by cancellation.
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
    let task = Task {
      var next: JSON? = first
      while let current = next, !Task.isCancelled {
        var bytes: [UInt8] = []
        for item in current["data"]?.array ?? [] { bytes += item.bytes() + [10] }
        await send(bytes)
        next = nil
        guard current["has_more"]?.bool == true, let after = current["next"]?.string else { break }
        do throws(APIError) {
          next = try await page(after)
        } catch {
          // It waits as the pages do: without it the list would end as if it were whole.
          await send(error.json(requestID: requestID).bytes() + [10])
        }
      }
      continuation.finish()
    }
    continuation.onTermination = { _ in task.cancel() }
    return HTTPResponse(
      status: 200, headers: ["content-type": mediaType, "cache-control": "no-store"],
      body: .stream(lines))
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

  /// The same request for the page after `cursor`.
  func page(after cursor: String) -> HTTPRequest {
    var copy = self
    copy.query.removeAll { $0.name == "after" }
    copy.query.append(QueryItem(name: "after", value: cursor))
    return copy
  }
}
