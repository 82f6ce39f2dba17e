import Foundation
import Testing

/// The product as people run it: real processes, driven by HTTP and the command line alone.
///
/// One test at a time: each runs a whole system. The limit ends a hang; no test comes near it, but for a soak by
/// hand.
@Suite(.serialized, .timeLimit(.minutes(limitMinutes))) enum EndToEnd {}

private let limitMinutes =
  ProcessInfo.processInfo.environment["DAYBOOK_CAMPAIGN_SIZE"] == nil ? 4 : 60
