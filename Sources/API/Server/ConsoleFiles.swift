import Foundation
import HTTP

/// Serves the built console: its files, and its one page for every other path that a person opens.
struct ConsoleFiles: Sendable {
  let directory: String

  private static let types = [
    "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8", "svg": "image/svg+xml", "png": "image/png",
    "ico": "image/x-icon", "json": "application/json", "woff2": "font/woff2",
    "map": "application/json",
  ]

  /// nil for API paths, other methods, and files that are not there.
  func response(to request: HTTPRequest) -> HTTPResponse? {
    guard request.method == "GET" || request.method == "HEAD",
      !request.path.hasPrefix("/api/"), !request.path.hasPrefix("/webhooks/")
    else { return nil }
    let pieces = request.path.split(separator: "/")
    guard !pieces.contains(".."), !pieces.contains(where: { $0.hasPrefix(".") }) else { return nil }
    let name = pieces.joined(separator: "/")
    if let ending = name.split(separator: ".").last, name.contains("."),
      let type = Self.types[String(ending)]
    {
      return file(name, type)
    }
    return file("index.html", Self.types["html"] ?? "text/html")
  }

  private func file(_ name: String, _ type: String) -> HTTPResponse? {
    let path = directory + "/" + name
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard attributes?[.type] as? FileAttributeType == .typeRegular else { return nil }
    var response = HTTPResponse(status: 200, body: .file(path: path, contentType: type))
    response.headers.set("cache-control", "no-cache")
    response.headers.set(
      "content-security-policy",
      "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
    response.headers.set("referrer-policy", "same-origin")
    return response
  }
}
