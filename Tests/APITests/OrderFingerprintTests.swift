import HTTP
import Testing

@testable import API

@Suite struct OrderFingerprintTests {
  private static func upload(
    _ parts: [MultipartPart], boundary: String, query: [QueryItem] = []
  ) -> HTTPRequest {
    var request = HTTPRequest(
      method: "POST", target: "/api/contacts/import",
      headers: ["Content-Type": "multipart/form-data; boundary=\(boundary)"],
      body: Multipart.encode(parts, boundary: boundary))
    request.query = query
    return request
  }

  private static let file = MultipartPart(
    name: "file", filename: "people.csv", contentType: "text/csv",
    body: Array("name,phone\nAnn,+12125550123\n".utf8))
  private static let tags = MultipartPart(name: "tags", body: Array("vip".utf8))

  @Test func `a file that is sent again under another boundary is the same order`() {
    let first = Self.upload([Self.file, Self.tags], boundary: "------------------------a1")
    let again = Self.upload([Self.file, Self.tags], boundary: "----WebKitFormBoundaryX9")
    #expect(first.body != again.body)
    #expect(first.orderDigest == again.orderDigest)
  }

  @Test func `another part, file or option is another order`() {
    let first = Self.upload([Self.file, Self.tags], boundary: "b").orderDigest
    func changed(_ change: (inout MultipartPart) -> Void) -> MultipartPart {
      var part = Self.file
      change(&part)
      return part
    }
    let others: [[MultipartPart]] = [
      [Self.file], [Self.tags, Self.file], [Self.file, Self.tags, Self.tags],
      [changed { $0.name = "map" }, Self.tags], [changed { $0.filename = nil }, Self.tags],
      [changed { $0.body.append(10) }, Self.tags],
      // What one part loses, the next begins with.
      [changed { $0.body.removeLast() }, MultipartPart(name: "\ntags", body: Self.tags.body)],
    ]
    for parts in others {
      #expect(Self.upload(parts, boundary: "b").orderDigest != first, "\(parts)")
    }
    let query = [QueryItem(name: "source", value: "fair")]
    let withQuery = Self.upload([Self.file, Self.tags], boundary: "b", query: query)
    #expect(withQuery.orderDigest != first)
  }

  @Test func `what is no multipart goes by its bytes, and a trial by its order`() {
    var request = HTTPRequest(method: "POST", target: "/api/contacts", body: Array("{}".utf8))
    let first = request.orderDigest
    request.query = [QueryItem(name: Parameter.dryRun.name, value: "true")]
    #expect(request.orderDigest == first)
    request.body.append(32)
    #expect(request.orderDigest != first)
    let trial = MultipartPart(name: Parameter.dryRun.name, body: Array("true".utf8))
    let tried = Self.upload([Self.file, trial, Self.tags], boundary: "b").orderDigest
    #expect(tried == Self.upload([Self.file, Self.tags], boundary: "b").orderDigest)
  }

  /// It is in the log as it is: a list of guesses must not find what was asked.
  @Test func `a fingerprint needs the home's secret`() {
    let digest = Self.upload([Self.file], boundary: "b").orderDigest
    let one = OrderKey([1]).fingerprint(of: digest)
    #expect(one == OrderKey([1]).fingerprint(of: digest))
    #expect(one != OrderKey([2]).fingerprint(of: digest))
    #expect(one != OrderKey.formerFingerprint(of: digest))
  }
}
