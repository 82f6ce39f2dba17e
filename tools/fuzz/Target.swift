// What libFuzzer calls, once for each input that it makes. Compiled together with the parsers by `run`:
// no target of the package.

#if FUZZ_JSON
  /// What is read is written as the same value.
  private func feed(_ bytes: [UInt8]) {
    guard let value = try? JSON(parsing: bytes) else { return }
    guard let again = try? JSON(parsing: value.bytes()) else {
      preconditionFailure("what was written cannot be read")
    }
    precondition(again == value, "what was written is another value")
  }
#elseif FUZZ_CSV
  private func feed(_ bytes: [UInt8]) {
    guard var reader = try? CSVReader(bytes: bytes) else { return }
    while (try? reader.next()) != nil {}
  }
#elseif FUZZ_HTTP
  /// The first byte says where the pieces of an event stream are cut.
  private func feed(_ bytes: [UInt8]) {
    _ = FormCoding.decode(bytes: bytes)
    _ = PercentCoding.decode(String(decoding: bytes, as: UTF8.self))
    var request = HTTPRequest(method: "POST", target: "/", body: bytes)
    request.headers.set("Content-Type", "multipart/form-data; boundary=b")
    _ = try? Multipart.parts(of: request)
    var parser = ServerSentEventParser()
    let step = max(1, Int(bytes.first ?? 1))
    for start in stride(from: 0, to: bytes.count, by: step) {
      _ = parser.append(Array(bytes[start..<min(bytes.count, start + step)]))
    }
  }
#endif

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  unsafe feed(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
