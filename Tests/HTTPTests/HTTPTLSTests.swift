import Foundation
import HTTP
import Testing

@Suite struct HTTPTLSTests {
  /// A directory with a new self-signed certificate for localhost.
  private static func makeCertificate() throws -> (tls: HTTPTLS, directory: URL) {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("http-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.currentDirectoryURL = directory
    openssl.standardError = FileHandle.nullDevice
    openssl.arguments =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem"
      .split(separator: " ").map(String.init)
      + ["-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try openssl.run()
    openssl.waitUntilExit()
    try #require(openssl.terminationStatus == 0)
    let path = { directory.appendingPathComponent($0).path }
    return (HTTPTLS(certificatePath: path("cert.pem"), keyPath: path("key.pem")), directory)
  }

  @Test func `a server with a certificate is reached by those who trust it`() async throws {
    let (tls, directory) = try Self.makeCertificate()
    defer { try? FileManager.default.removeItem(at: directory) }
    let big = String(repeating: "0123456789", count: 100_000)
    try await withServer(tls: tls) { request in
      .text(200, request.path == "/big" ? big : "secret")
    } _: { server in
      var settings = HTTPClientSettings()
      settings.authoritiesPath = tls.certificatePath
      let trusting = HTTPClient(settings: settings)
      let doubting = HTTPClient()
      defer {
        trusting.close()
        doubting.close()
      }
      let request = ClientRequest(url: "https://localhost:\(server.port)/")
      let answer = try await trusting.send(request)
      #expect(text(answer.body) == "secret")
      let bigRequest = ClientRequest(url: "https://localhost:\(server.port)/big")
      let bigAnswer = try await trusting.send(bigRequest)
      #expect(text(bigAnswer.body) == big)
      await #expect(throws: HTTPClientError.notSent(.tlsFailed)) {
        try await doubting.send(request)
      }
    }
  }

  @Test func `a head that leaves no room for an answer is answered over TLS too`() async throws {
    let (tls, directory) = try Self.makeCertificate()
    defer { try? FileManager.default.removeItem(at: directory) }
    try await withServer(tls: tls) { _ in
      .text(200, "handled")
    } _: { server in
      var settings = HTTPClientSettings()
      settings.authoritiesPath = tls.certificatePath
      let client = HTTPClient(settings: settings)
      defer { client.close() }
      for byteCount in stride(from: 11_000, to: 12_500, by: 50) {
        let answer = try await client.send(
          ClientRequest(
            url: "https://localhost:\(server.port)/",
            headers: ["X-Long": String(repeating: "a", count: byteCount)]))
        #expect(answer.status == 431, "\(byteCount) bytes")
      }
    }
  }

  @Test(arguments: [("-tls1_1", false), ("-tls1_2", false), ("-tls1_3", true)])
  func `only TLS 1_3 is spoken`(version: String, isSpoken: Bool) async throws {
    let (tls, directory) = try Self.makeCertificate()
    defer { try? FileManager.default.removeItem(at: directory) }
    try await withServer(tls: tls) { _ in
      .text(200, "secret")
    } _: { server in
      let openssl = Process()
      openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
      openssl.arguments = ["s_client", "-connect", "127.0.0.1:\(server.port)", version]
      openssl.standardInput = FileHandle.nullDevice
      openssl.standardOutput = FileHandle.nullDevice
      openssl.standardError = FileHandle.nullDevice
      let status = await withCheckedContinuation { continuation in
        openssl.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
        do {
          try openssl.run()
        } catch {
          continuation.resume(returning: -1)
        }
      }
      #expect((status == 0) == isSpoken, "status \(status)")
    }
  }

  @Test func `a certificate that cannot be read or does not fit is named`() async throws {
    let (tls, directory) = try Self.makeCertificate()
    let (other, otherDirectory) = try Self.makeCertificate()
    defer {
      try? FileManager.default.removeItem(at: directory)
      try? FileManager.default.removeItem(at: otherDirectory)
    }
    let missing = HTTPTLS(certificatePath: "/no/such.pem", keyPath: tls.keyPath)
    #expect(throws: HTTPError.tlsFileUnreadable(path: "/no/such.pem", errno: ENOENT)) {
      try HTTPServer(host: "127.0.0.1", port: 0, tls: missing) { _ in .text(200, "") }
    }
    let before = try HTTPServer(host: "127.0.0.1", port: 0) { _ in .text(200, "") }
    await before.stop(graceMillis: 0)
    let unfit = HTTPTLS(certificatePath: tls.certificatePath, keyPath: other.keyPath)
    #expect(throws: HTTPError.startFailed(usesTLS: true)) {
      try HTTPServer(host: "127.0.0.1", port: before.port, tls: unfit) { _ in .text(200, "") }
    }
    // The failed start left the port free.
    let after = try HTTPServer(host: "127.0.0.1", port: before.port) { _ in .text(200, "") }
    await after.stop(graceMillis: 0)
  }
}
