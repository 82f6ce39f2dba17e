import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  /// The server as it is run for strangers: with a certificate, and without the settings of a machine on which
  /// somebody develops.
  @Suite struct FrontDoor {
    @Test func `behind a certificate there is TLS alone, and a webhook reaches no private address`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let subscriber = try Subscriber()
        let open = try await account.api.send("GET", "/livez")
        #expect(open.headers["strict-transport-security"] == nil)
        let certificate = try Certificate(folder: system.home)
        try await system.stop("serve")
        try await system.startForStrangers(
          "--tls-cert", certificate.path, "--tls-key", certificate.keyPath)

        await #expect(throws: HTTPClientError.self) { try await account.api.get("/livez") }
        let client = certificate.trustingClient()
        defer { client.close() }
        let url = system.baseURL.replacing("http://127.0.0.1", with: "https://localhost")
        let api = API(baseURL: url, token: account.key, client: client)
        #expect(try await api.get("/livez")["status"]?.string == "ok")
        try await expectNoOtherWay(api)
        try await expectAGuardedCookie(api)
        try await expectSecureAddresses(api)
        try await expectNoWay(to: subscriber, api)
        await subscriber.stop()
      }
    }

    /// Whoever was here once by HTTPS asks no other way, whether they were given a page, an answer or a refusal.
    private func expectNoOtherWay(_ api: API) async throws {
      for path in [
        "/livez", "/", "/api/contacts", "/nowhere-\(String(repeating: "x", count: 9_000))",
      ] {
        let answer = try await api.send("GET", path)
        #expect(
          answer.headers["strict-transport-security"] == "max-age=31536000", "\(path.prefix(20))")
      }
    }

    /// Of no use to a script on the page, on another site, or to whoever reads what is not encrypted.
    private func expectAGuardedCookie(_ api: API) async throws {
      let answer = try await api.send(
        "POST", "/api/session",
        ["email": "owner1@example.com", "password": "correct horse battery"])
      let cookie = try #require(answer.headers["set-cookie"])
      for mark in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        #expect(cookie.contains("; \(mark)"), "\(mark)")
      }
    }

    /// What we tell others to call us by.
    private func expectSecureAddresses(_ api: API) async throws {
      let document = try await api.get("/openapi.json")
      let server = try #require(document["servers"]?[0]?["url"]?.string)
      #expect(server.hasPrefix("https://"))
      let hook = try await api.post(
        "/api/inbound-hooks",
        [
          "name": "Form", "authentication": "hmac_sha256", "action": "lead",
          "mapping": ["email": "a"],
        ])
      let url = try #require(hook["url"]?.string)
      #expect(url.hasPrefix("https://"))
    }

    private func expectNoWay(to subscriber: Subscriber, _ api: API) async throws {
      let path = "/api/webhook-endpoints"
      let plain = try await api.send(
        "POST", path, ["url": .string(subscriber.url), "types": ["contact.created"]])
      #expect(plain.errorCode == "https_required")
      // A name may lead anywhere: what it leads to is looked at when it is called.
      for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"] {
        let target = subscriber.url.replacing("http://127.0.0.1", with: "https://\(host)")
        let endpoint = try await api.post(
          path, ["url": .string(target), "types": ["contact.created"]])
        let id = try #require(endpoint["id"]?.string)
        try await api.post("\(path)/\(id)/test", expecting: 200)
        let attempt = try await eventually("an attempt at \(host)") {
          try await api.get("\(path)/\(id)/deliveries")["data"]?.array?.first
        } until: {
          $0 != nil
        }
        #expect(attempt?["status"] == .null, "\(host)")
        #expect(attempt?["error"]?.string?.contains("address") == true, "\(host)")
      }
      #expect(subscriber.attempts.isEmpty)
    }
  }
}

/// A certificate of its own for localhost.
private struct Certificate {
  let path: String
  let keyPath: String

  init(folder: String) throws {
    path = folder + "/cert.pem"
    keyPath = folder + "/key.pem"
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.standardError = FileHandle.nullDevice
    openssl.arguments = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "2", "-keyout", keyPath, "-out", path, "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost",
    ]
    try openssl.run()
    openssl.waitUntilExit()
    try #require(openssl.terminationStatus == 0)
  }

  func trustingClient() -> HTTPClient {
    var settings = HTTPClientSettings()
    settings.authoritiesPath = path
    return HTTPClient(settings: settings)
  }
}
