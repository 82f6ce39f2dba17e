/// What a carrier knows a sender's brand as: its daily limit goes by that.
package enum BrandClass: String, Sendable, CaseIterable, Codable {
  case russell3000 = "russell_3000"
  /// Scores of the brand's vetting, from this number on.
  case score75 = "score_75"
  case score50 = "score_50"
  case score25 = "score_25"
  /// Below 25, and campaigns of low volume.
  case score1 = "score_1"
  case soleProprietor = "sole_proprietor"
}

/// How much of a brand's day at the carrier is used up.
package struct CarrierUse: Sendable, Equatable, Codable {
  package var brand: BrandClass
  /// Segments that this message has.
  package var segmentCount: Int
  /// Segments handed out since the carrier's day began.
  package var usedCount: Int
  /// When its next day begins.
  package var resetsAtMicros: Micros

  package init(brand: BrandClass, segmentCount: Int, usedCount: Int, resetsAtMicros: Micros) {
    self.brand = brand
    self.segmentCount = segmentCount
    self.usedCount = usedCount
    self.resetsAtMicros = resetsAtMicros
  }

  /// Where the carrier's day begins and ends at midnight.
  package static let zone = "America/Los_Angeles"
}

/// T-Mobile's limits on a registered brand: segments a day, over all numbers and providers.
///
/// Source: `docs/compliance.md`, "The carrier's day".
enum CarrierCaps {
  static let of2026November: [BrandClass: Int] = [
    .russell3000: 200_000, .score75: 200_000, .score50: 40_000, .score25: 10_000, .score1: 2_000,
    .soleProprietor: 1_000,
  ]
}
