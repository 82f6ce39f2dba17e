/// How many parts carriers make of a text, and bill.
///
/// Texts that fit the GSM 03.38 alphabet: 160 septets in one part, 153 in each of several; the
/// characters of its extension table take two. All others are UTF-16: 70 units in one part, 67 in each
/// of several. A character of two units is never split, so that filling is greedy, not a division.
/// Source: 3GPP TS 23.038 and 23.040.
package struct SMSSegments: Sendable, Equatable {
  package enum Encoding: String, Sendable, CaseIterable {
    case gsm7, ucs2
  }

  package let encoding: Encoding
  /// Septets, or UTF-16 units.
  package let unitCount: Int
  /// 0 for an empty text.
  package let segmentCount: Int

  package static func count(_ text: String) -> SMSSegments {
    let scalars = text.unicodeScalars
    let septets = scalars.compactMap(septetCount)
    if septets.count == scalars.count {
      return SMSSegments(.gsm7, widths: septets, single: 160, part: 153)
    }
    let units = scalars.map { $0.value > 0xFFFF ? 2 : 1 }
    return SMSSegments(.ucs2, widths: units, single: 70, part: 67)
  }

  private init(_ encoding: Encoding, widths: [Int], single: Int, part: Int) {
    self.encoding = encoding
    unitCount = widths.reduce(0, +)
    if unitCount <= single {
      segmentCount = unitCount == 0 ? 0 : 1
      return
    }
    var count = 1
    var used = 0
    for width in widths {
      if used + width > part {
        count += 1
        used = 0
      }
      used += width
    }
    segmentCount = count
  }

  /// 1 or 2; nil where the character is not in the alphabet.
  private static func septetCount(_ scalar: Unicode.Scalar) -> Int? {
    if basic.contains(scalar) { return 1 }
    return extended.contains(scalar) ? 2 : nil
  }

  /// The default alphabet in the order of its codes, without the escape at 27.
  private static let basic = Set(
    ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
      + "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà").unicodeScalars)

  private static let extended = Set("\u{C}^{}\\[~]|€".unicodeScalars)
}
