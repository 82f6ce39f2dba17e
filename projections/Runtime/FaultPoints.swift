/// Named points of the way from events to rows. Tests end the process there; otherwise nothing
/// happens.
package struct FaultPoints: Sendable {
  package enum Point: String, Sendable, CaseIterable {
    case afterFold, afterWrite, beforeCommit, afterCommit, sweepStepped
    case rebuildFolded, rebuildIndexed, rebuildBeforeSwap, rebuildAfterSwap
  }

  private let handler: (@Sendable (Point) -> Void)?

  package static let none = FaultPoints(handler: nil)

  package init(handler: (@Sendable (Point) -> Void)?) { self.handler = handler }

  func reached(_ point: Point) { handler?(point) }
}
