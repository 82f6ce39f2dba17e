/// A contact's lot in a campaign that keeps some people out to compare with. The same campaign and
/// contact draw the same lot for ever; another campaign draws anew.
package struct HoldoutDraw: Sendable, Equatable, Codable {
  /// Of a hundred people, how many are kept out.
  package var percent: Int
  /// 0 to 9,999: below `percent` hundredths of it the person is kept out.
  package var lot: Int

  package init(percent: Int, lot: Int) {
    self.percent = percent
    self.lot = lot
  }

  package init(percent: Int, campaign: Identifier, contact: Identifier) {
    self.init(percent: percent, lot: Self.lot(campaign, contact))
  }

  package var isKeptOut: Bool { lot < percent * 100 }

  package static let percentLimit = 50

  /// Ids share their first bits with those of the same second, so their bits are mixed well
  /// (the finalizer of SplitMix64).
  private static func lot(_ campaign: Identifier, _ contact: Identifier) -> Int {
    var mixed: UInt64 = 0
    for value in [campaign.value, contact.value] {
      for half in [UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value)] {
        mixed = mix((mixed ^ half) &+ 0x9E37_79B9_7F4A_7C15)
      }
    }
    return Int(mixed % 10_000)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
