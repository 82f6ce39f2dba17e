/// When a wallet fills itself up. Requirements WAL-05 and WAL-07, with a cap that they do not name.
package struct AutoRecharge: Sendable, Equatable, Codable {
  package var isOn: Bool
  /// Below this much available credit.
  package var thresholdMicros: Int64
  package var amountMicros: Int64
  /// The most that is charged by itself within thirty days.
  package var monthlyCapMicros: Int64

  package static let standard = AutoRecharge(
    isOn: true, thresholdMicros: 10_000_000, amountMicros: 50_000_000,
    monthlyCapMicros: 500_000_000)

  package static let monthMicros: Int64 = 30 * 86_400_000_000
  /// A card that was declined is left alone for a while.
  package static let pauseAfterFailureMicros: Int64 = 3_600_000_000

  package init(
    isOn: Bool, thresholdMicros: Int64, amountMicros: Int64, monthlyCapMicros: Int64
  ) {
    self.isOn = isOn
    self.thresholdMicros = thresholdMicros
    self.amountMicros = amountMicros
    self.monthlyCapMicros = monthlyCapMicros
  }

  /// A payment that was made by itself, as far as the rule needs it.
  package struct Past: Sendable {
    package let amountMicros: Int64
    package let atMicros: Micros
    package let status: Payment.Status

    package init(amountMicros: Int64, atMicros: Micros, status: Payment.Status) {
      self.amountMicros = amountMicros
      self.atMicros = atMicros
      self.status = status
    }
  }

  /// Whether the wallet is to be filled up now.
  package func isDue(availableMicros: Int64, past: [Past], nowMicros: Micros) -> Bool {
    guard isOn, availableMicros < thresholdMicros else { return false }
    let recent = past.filter { nowMicros - $0.atMicros < Self.monthMicros }
    let isUnderWay = recent.contains { $0.status == .requested || $0.status == .pending }
    let hasJustFailed = recent.contains {
      $0.status == .failed && nowMicros - $0.atMicros < Self.pauseAfterFailureMicros
    }
    guard !isUnderWay, !hasJustFailed else { return false }
    let spentMicros = recent.filter { $0.status != .failed }.reduce(0) { $0 + $1.amountMicros }
    return spentMicros + amountMicros <= monthlyCapMicros
  }
}
