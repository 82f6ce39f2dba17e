import Domain
import Foundation
import HTTP
import Synchronization
import Testing

@testable import API

@Suite struct RequestSignatureTests {
  private static let key = Identifier(.apiKey, 7)
  private let path =
    FileManager.default.temporaryDirectory.path(percentEncoded: false)
    + "/signed-\(UUID().uuidString)"

  private func signatures(startedAt now: Int64, path: String? = nil) throws -> RequestSignature {
    try RequestSignature(now: now, file: NonceFile(path: path ?? self.path) { _ in })
  }

  private func request(
    at time: Int64, nonce: String, _ version: RequestSignature.Version = .v2,
    _ headers: HTTPHeaders = [:]
  ) -> HTTPRequest {
    var request = HTTPRequest(method: "GET", target: "/api/contacts?limit=1", headers: headers)
    let code = RequestSignature.signature(
      request, version, stamp: String(time), nonce: nonce, secret: "s")
    request.headers.set("Daybook-Timestamp", String(time))
    request.headers.set("Daybook-Nonce", nonce)
    request.headers.set("Daybook-Signature", "\(version.rawValue)=\(code)")
    return request
  }

  private func refusal(
    of request: HTTPRequest, by signatures: RequestSignature, now: Int64
  ) -> RequestSignature.Refusal? {
    do throws(RequestSignature.Refusal) {
      try signatures.use(
        try signatures.proof(of: request, key: Self.key, secret: "s", now: now), now: now)
      return nil
    } catch {
      return error
    }
  }

  /// What tells programs how to sign: the bytes do not change.
  @Test func `both versions are signed as they are documented`() {
    let headers: HTTPHeaders = ["account": "acc_1", "if-match": "\"v3\""]
    let request = HTTPRequest(
      method: "POST", target: "/api/x?y=1", headers: headers, body: Array("{}".utf8))
    func code(_ version: RequestSignature.Version) -> String {
      RequestSignature.signature(
        request, version, stamp: "1700000000", nonce: "nonce-nonce", secret: "sig_secret")
    }
    #expect(code(.v1) == "9c9b7aea4671e2745a24e769e0f9a46a7980c27e65bfbedd6e01263c763e643c")
    #expect(code(.v2) == "96e5d8040d334b9c693279af88b01a391e4e0d3b86fcd85b32766f3362f9d176")
  }

  /// A clock that is ahead signs what is still good after the next start: a copy must not be, however the process
  /// ended.
  @Test func `a request is good once over a restart too, whatever its clock says`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let before = try signatures(startedAt: 1_000)
    let requests = [1_100, 1_101, 1_399].map { request(at: $0, nonce: "nonce of \($0)") }
    for request in requests { #expect(refusal(of: request, by: before, now: 1_100) == nil) }
    let after = try signatures(startedAt: 1_100)
    #expect(refusal(of: requests[0], by: after, now: 1_102) == .expired)
    #expect(refusal(of: requests[1], by: after, now: 1_102) == .replayed)
    #expect(refusal(of: requests[2], by: after, now: 1_102) == .replayed)
    #expect(refusal(of: request(at: 1_399, nonce: "another one"), by: after, now: 1_102) == nil)
    let afterThat = try signatures(startedAt: 1_103)
    #expect(refusal(of: requests[2], by: afterThat, now: 1_104) == .replayed)
    #expect(
      refusal(of: request(at: 1_399, nonce: "another one"), by: afterThat, now: 1_104) == .replayed)
  }

  @Test func `what is half-written ends no other line`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let before = try signatures(startedAt: 1_000)
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.write(contentsOf: Data("1200 abc".utf8))
    try handle.close()
    let late = request(at: 1_200, nonce: "nonce of 1200")
    #expect(refusal(of: late, by: before, now: 1_100) == nil)
    let after = try signatures(startedAt: 1_101)
    #expect(refusal(of: late, by: after, now: 1_102) == .replayed)
  }

  @Test func `what cannot be remembered over a restart is not taken`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let signatures = try signatures(startedAt: 1_000)
    #expect(refusal(of: request(at: 1_100, nonce: "of today"), by: signatures, now: 1_100) == nil)
    try FileManager.default.removeItem(atPath: path)
    let ahead = request(at: 1_101, nonce: "of tomorrow")
    #expect(refusal(of: ahead, by: signatures, now: 1_100) == .expired)
  }

  @Test func `the account is chosen by who signs`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let signatures = try signatures(startedAt: 1_000)
    let account: HTTPHeaders = ["Account": "acc_1"]
    #expect(
      refusal(of: request(at: 1_001, nonce: "nonce one", .v2, account), by: signatures, now: 1_001)
        == nil)
    #expect(
      refusal(of: request(at: 1_001, nonce: "nonce two", .v1, account), by: signatures, now: 1_001)
        == .uncovered)
    var changed = request(at: 1_001, nonce: "nonce three", .v2, account)
    changed.headers.set("account", "acc_2")
    #expect(refusal(of: changed, by: signatures, now: 1_001) == .wrong)
    changed.headers["account"] = nil
    #expect(refusal(of: changed, by: signatures, now: 1_001) == .wrong)
  }
}
