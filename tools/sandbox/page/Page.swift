import HTTP

/// The page that shows the phones: `index.html` and what it loads.
enum Page {
  /// Scripts and styles come from here alone; the page is framed by nobody.
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    + "img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  static func answer(_ path: String) -> HTTPResponse? {
    switch path {
    case "/": file(PackageResources.index_html, "text/html; charset=utf-8")
    case "/mail": file(PackageResources.mail_html, "text/html; charset=utf-8")
    case "/common.js": file(PackageResources.common_js, "text/javascript; charset=utf-8")
    case "/mail.js": file(PackageResources.mail_js, "text/javascript; charset=utf-8")
    case "/phones.js": file(PackageResources.phones_js, "text/javascript; charset=utf-8")
    case "/phones.css": file(PackageResources.phones_css, "text/css; charset=utf-8")
    default: nil
    }
  }

  private static func file(_ bytes: [UInt8], _ contentType: String) -> HTTPResponse {
    HTTPResponse(
      status: 200,
      headers: [
        "Content-Type": contentType, "Cache-Control": "no-cache",
        "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
      ], body: .bytes(bytes))
  }
}
