// Deliveries of one endpoint, oldest first, a line each, between empty ones: one that a full disk or a power cut tore takes
// nothing along that comes after it.
//
//     base64( nonce (12 bytes) ‖ AES-256-GCM of the delivery as JSON, with its tag )
//
// `<endpoint>.deliveries` is written to; at `lineLimit` lines it becomes `<endpoint>.deliveries.1`, in
// the place of the one before. What subscribers answer may hold personal data, so it is sealed, under
// `deliveries.key` beside the files, and goes with the person: `rewrite`. Lines are not flushed: a power cut may cost the last of them,
// and the events' own record of failures is in the log.

import Crypto
import Domain
import Foundation
import JSON

/// The latest deliveries on disk.
struct DeliveryArchive: Sendable {
  static let lineLimit = 1_000

  private let directory: String
  private let key: [UInt8]

  /// Makes the key where there is none.
  init(directory: String) throws {
    self.directory = directory
    let path = directory + "/deliveries.key"
    if let data = FileManager.default.contents(atPath: path) {
      key = [UInt8](data)
      guard key.count == AESGCM.keyByteCount else { throw CocoaError(.fileReadCorruptFile) }
      return
    }
    key = Random.bytes(AESGCM.keyByteCount)
    try SecretFile.write(key, to: path)
  }

  private func path(_ endpoint: Identifier) -> String { "\(directory)/\(endpoint).deliveries" }

  /// Adds a line. `lineCount`: how many the file has; returns how many it has now.
  func append(
    _ delivery: DeliveryBoard.Delivery, of endpoint: Identifier, lineCount: Int
  ) throws -> Int {
    let path = path(endpoint)
    var count = lineCount
    if count >= Self.lineLimit {
      try move(path, onto: path + ".1")
      count = 0
    }
    if !FileManager.default.fileExists(atPath: path) {
      _ = FileManager.default.createFile(
        atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    defer { try? handle.close() }
    try handle.seekToEnd()
    let line = try seal(delivery.json.bytes(), endpoint)
    try handle.write(contentsOf: Data("\n\(line)\n".utf8))
    return count + 1
  }

  /// What is kept, oldest first, and how many lines of it are in the file that is written to. Lines
  /// that cannot be opened are left out: a torn one is the end of a crash.
  func read(_ endpoint: Identifier) -> (deliveries: [DeliveryBoard.Delivery], lineCount: Int) {
    let older = lines(path(endpoint) + ".1", endpoint)
    let newer = lines(path(endpoint), endpoint)
    return ((older.deliveries + newer.deliveries), newer.count)
  }

  private func lines(
    _ path: String, _ endpoint: Identifier
  ) -> (deliveries: [DeliveryBoard.Delivery], count: Int) {
    let text = String(
      decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    let lines = text.split(separator: "\n")
    let deliveries = lines.compactMap { line -> DeliveryBoard.Delivery? in
      guard let bytes = try? open(line, endpoint), let json = try? JSON(parsing: bytes) else {
        return nil
      }
      return DeliveryBoard.Delivery(json)
    }
    return (deliveries, lines.count)
  }

  /// Changes every delivery that is kept of an endpoint; lines that cannot be opened go.
  func rewrite(
    _ endpoint: Identifier, _ change: (inout DeliveryBoard.Delivery) -> Void
  ) throws {
    for path in [path(endpoint) + ".1", path(endpoint)]
    where FileManager.default.fileExists(atPath: path) {
      var text = ""
      for var delivery in lines(path, endpoint).deliveries {
        change(&delivery)
        text += try seal(delivery.json.bytes(), endpoint) + "\n"
      }
      let copy = path + ".new"
      let isMade = FileManager.default.createFile(
        atPath: copy, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
      guard isMade else { throw CocoaError(.fileWriteUnknown) }
      try move(copy, onto: path)
    }
  }

  /// Whether there is something there already or not: Foundation's own replacing needs it to be.
  private func move(_ path: String, onto other: String) throws {
    guard unsafe rename(path, other) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  private func seal(_ bytes: [UInt8], _ endpoint: Identifier) throws(CryptoError) -> String {
    var cipher = AESGCM()
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    let sealed = try cipher.seal(
      bytes, key: key, nonce: nonce, authenticating: Array(endpoint.text.utf8))
    return Base64.encode(nonce + sealed)
  }

  private func open(_ line: Substring, _ endpoint: Identifier) throws(CryptoError) -> [UInt8] {
    let bytes = try Base64.decode(line)
    guard bytes.count > AESGCM.nonceByteCount else { throw .malformedEncoding }
    var cipher = AESGCM()
    return try cipher.open(
      Array(bytes.dropFirst(AESGCM.nonceByteCount)), key: key,
      nonce: Array(bytes.prefix(AESGCM.nonceByteCount)),
      authenticating: Array(endpoint.text.utf8))
  }
}

extension DeliveryBoard.Delivery {
  var json: JSON {
    [
      "event": .string(event.text), "type": .string(type), "position": .int(Int64(position)),
      "attempt": JSON(attempt), "at_micros": .int(atMicros), "took_millis": .int(tookMillis),
      "url": .string(url), "status": JSON(status.map { Int64($0) }), "error": JSON(error),
      "response": .string(response), "redelivery": .bool(isRedelivery),
      "backfill": .bool(isBackfill), "payload": JSON(style?.payload.rawValue),
      "format": JSON(style?.format.rawValue),
      "people": people.map { .array($0.map(\.text).sorted().map(JSON.string)) } ?? .null,
    ]
  }

  /// nil where it is none.
  init?(_ json: JSON) {
    guard let event = json["event"]?.string.flatMap({ Identifier($0, kind: .event) }),
      let type = json["type"]?.string, let url = json["url"]?.string,
      let position = json["position"]?.int.flatMap({ UInt64(exactly: $0) }),
      let attempt = json["attempt"]?.int, let atMicros = json["at_micros"]?.int,
      let tookMillis = json["took_millis"]?.int, let response = json["response"]?.string
    else { return nil }
    self.init(
      event: event, type: type, position: position, attempt: Int(attempt), atMicros: atMicros,
      tookMillis: tookMillis, url: url, status: json["status"]?.int.map { Int($0) },
      error: json["error"]?.string, response: response,
      isRedelivery: json["redelivery"]?.bool ?? false,
      isBackfill: json["backfill"]?.bool ?? false)
    if let payload = json["payload"]?.string.flatMap(WebhookEndpoint.Style.Payload.init),
      let format = json["format"]?.string.flatMap(WebhookEndpoint.Style.Format.init)
    {
      style = WebhookEndpoint.Style(payload: payload, format: format)
    }
    people = json["people"]?.array.map { people in
      Set(people.compactMap { $0.string.flatMap { Identifier($0, kind: .contact) } })
    }
  }
}
