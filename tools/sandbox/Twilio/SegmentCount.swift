/// How many parts a text is sent in. Source: GSM 03.38 and 3GPP TS 23.040.
enum SegmentCount {
  private static let basic = Set(
    ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
      + "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà").unicodeScalars)
  private static let extended = Set("^{}\\[~]|€\u{0C}".unicodeScalars)

  static func of(_ body: String) -> Int {
    let scalars = body.unicodeScalars
    if scalars.allSatisfy({ basic.contains($0) || extended.contains($0) }) {
      return count(scalars.map { extended.contains($0) ? 2 : 1 }, alone: 160, part: 153)
    }
    return count(scalars.map { $0.value > 0xFFFF ? 2 : 1 }, alone: 70, part: 67)
  }

  /// Greedy: a character of two units is never split over two parts.
  private static func count(_ widths: [Int], alone: Int, part: Int) -> Int {
    if widths.reduce(0, +) <= alone { return 1 }
    var parts = 1
    var filled = 0
    for width in widths {
      if filled + width > part {
        parts += 1
        filled = 0
      }
      filled += width
    }
    return parts
  }
}
