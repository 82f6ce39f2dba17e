/// A whole request: its head and all of its body.
package struct HTTPRequest: Sendable {
  package var method: String
  /// As sent: path and query, still percent-encoded. What a signature over the URL covers.
  package var rawTarget: String
  /// The path without the query, still percent-encoded.
  package var rawPath: String
  /// The path, percent-decoded. `%2F` has become `/` here: route on `pathSegments`.
  package var path: String
  package var query: [QueryItem]
  package var headers: HTTPHeaders
  package var body: [UInt8]
  /// The peer's address without port: `127.0.0.1`, `2001:db8::1`. Behind a proxy, the proxy's.
  package var remoteAddress: String

  /// `target` is path and query, percent-encoded; an absolute URL is reduced to them.
  package init(
    method: String, target: String, headers: HTTPHeaders = [:], body: [UInt8] = [],
    remoteAddress: String = "127.0.0.1"
  ) {
    self.method = method
    self.headers = headers
    self.body = body
    self.remoteAddress = remoteAddress
    rawTarget = Self.originForm(of: target)
    if let mark = rawTarget.utf8.firstIndex(of: UInt8(ascii: "?")) {
      rawPath = String(rawTarget[..<mark])
      query = FormCoding.decode(rawTarget[rawTarget.utf8.index(after: mark)...])
    } else {
      rawPath = rawTarget
      query = []
    }
    path = PercentCoding.decode(rawPath) ?? rawPath
  }

  /// The first value of the query parameter `name`.
  package func queryValue(_ name: String) -> String? {
    query.first { $0.name == name }?.value
  }

  package func queryValues(_ name: String) -> [String] {
    query.filter { $0.name == name }.map(\.value)
  }

  /// The parts of the path between slashes, each decoded by itself, so that `%2F` stays inside one.
  package var pathSegments: [String] {
    rawPath.utf8.split(separator: UInt8(ascii: "/")).map {
      PercentCoding.decode(Substring($0)) ?? String(Substring($0))
    }
  }

  /// Whether there is something behind each slash of the path.
  package var pathIsPlain: Bool {
    // Byte by byte: looking for a text in a text takes longer than all else that finds the operation.
    let slash = UInt8(ascii: "/")
    var last: UInt8 = 0
    for byte in rawPath.utf8 {
      if byte == slash, last == slash { return false }
      last = byte
    }
    return last != slash
  }

  /// The media type of the body in lower case, without parameters.
  package var mediaType: String? {
    guard let text = headers["Content-Type"] else { return nil }
    // What nearly all of them send, as it is.
    if text == Self.json { return Self.json }
    return ASCII.trimmed(text.prefix { $0 != ";" }).lowercased()
  }

  private static let json = "application/json"

  /// Whether the escapes of the path decode to text without control characters.
  var hasValidPath: Bool {
    // What has escapes and is not another text without them was not decoded.
    (rawPath != path || !PercentCoding.hasEscapes(rawPath)) && !ASCII.hasControl(path)
  }

  /// Whether the escapes of the query decode to text. `query` has something for those that do not, as forms want it.
  package var hasValidQuery: Bool {
    guard rawTarget.utf8.count > rawPath.utf8.count else { return true }
    return PercentCoding.decode(rawTarget.dropFirst(rawPath.count)) != nil
  }

  private static func originForm(of target: String) -> String {
    guard !target.hasPrefix("/"), let scheme = target.firstRange(of: "://") else { return target }
    let rest = target[scheme.upperBound...]
    guard let start = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) else { return "/" }
    return rest[start] == "/" ? String(rest[start...]) : "/" + rest[start...]
  }
}
