import HTTP

/// The page that shows the phones: `index.html` and what it loads.
enum Page {
  /// Scripts come from here alone; the page is framed by nobody. Mails bring styles of their own, in a frame that
  /// has no scripts.
  private static func policy(styles: String = "'self'") -> String {
    "default-src 'none'; script-src 'self'; style-src \(styles); connect-src 'self'; "
      + "img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
      + "frame-ancestors 'none'"
  }

  static func answer(_ path: String) -> HTTPResponse? {
    switch path {
    case "/": file(PackageResources.index_html, "text/html; charset=utf-8")
    case "/mail":
      file(
        PackageResources.mail_html, "text/html; charset=utf-8",
        policy(styles: "'self' 'unsafe-inline'"))
    case "/common.js": file(PackageResources.common_js, "text/javascript; charset=utf-8")
    case "/mail.js": file(PackageResources.mail_js, "text/javascript; charset=utf-8")
    case "/phones.js": file(PackageResources.phones_js, "text/javascript; charset=utf-8")
    case "/phones.css": file(PackageResources.phones_css, "text/css; charset=utf-8")
    default: nil
    }
  }

  private static func file(
    _ bytes: [UInt8], _ contentType: String, _ policy: String = policy()
  ) -> HTTPResponse {
    HTTPResponse(
      status: 200,
      headers: [
        "Content-Type": contentType, "Cache-Control": "no-cache",
        "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
      ], body: .bytes(bytes))
  }
}
