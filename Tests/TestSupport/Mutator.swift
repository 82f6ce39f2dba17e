/// Bytes that are almost right: a seed's text with pieces changed, doubled, dropped or spliced with
/// another's. The same seed gives the same bytes.
package struct Mutator {
  private var state: UInt64
  private let corpus: [[UInt8]]
  /// What parsers stumble over.
  private static let dictionary: [[UInt8]] = [
    "\r\n", "\n", "\r\n\r\n", "\0", "\u{FEFF}", "\"", "\\", "\\u0000", "\\ud800", "{", "}", "[",
    "]",
    ",", ":", "&", "=", "%", "%00", "%zz", "+", "-", "--", "0", "-0", "1e999", "1e-999",
    "18446744073709551616", "-9223372036854775809", "0x10", "null", "true", "NaN", "é", "\u{1F469}",
    "&a", "*a", "<<:", "!!str", "---", "...", "?", "|", ">", "v1,", "sha256=", "t=", "whsec_",
    "Content-Length: 5", "Transfer-Encoding: chunked", "Host: a", "HTTP/1.1", " ", "\t", ";",
    "data:",
  ].map { Array($0.utf8) }

  package init(seed: UInt64, corpus: [String]) {
    state = seed
    self.corpus = corpus.map { Array($0.utf8) }
  }

  /// SplitMix64.
  private mutating func below(_ limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, limit)))
  }

  package mutating func next() -> [UInt8] {
    var bytes = corpus[below(corpus.count)]
    for _ in 0...below(6) { change(&bytes) }
    return bytes.count > 20_000 ? Array(bytes.prefix(20_000)) : bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = below(bytes.count + 1)
    switch below(8) {
    case 0 where place < bytes.count: bytes[place] ^= UInt8(1 << below(8))
    case 1 where place < bytes.count: bytes[place] = UInt8(below(256))
    case 2: bytes.insert(UInt8(below(256)), at: place)
    case 3: bytes.insert(contentsOf: Self.dictionary[below(Self.dictionary.count)], at: place)
    case 4 where place < bytes.count:
      bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(8)))
    case 5:
      let piece = bytes[place..<min(bytes.count, place + 1 + below(16))]
      bytes.insert(contentsOf: Array(repeating: piece, count: 1 + below(40)).joined(), at: place)
    case 6:
      let other = corpus[below(corpus.count)]
      bytes = Array(bytes.prefix(place)) + Array(other.suffix(below(other.count + 1)))
    default: bytes = Array(bytes.prefix(place))
    }
  }
}
