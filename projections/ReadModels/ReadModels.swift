internal import AnalyticsProjection
internal import AuditProjection
internal import ContactsProjection
package import ProjectionRuntime
internal import SegmentsProjection
internal import TimelineProjection
internal import WalletProjection

/// Every read model of the product: what `daybook project` runs and `daybook rebuild` knows.
package enum ReadModels {
  package static let all: [any Projection.Type] = [
    ContactsProjection.self, TimelineProjection.self, SegmentsProjection.self,
    AnalyticsProjection.self, AuditProjection.self, WalletProjection.self,
  ]

  /// Those of `statuses` that this program projects: another version's rows stand still, and go after a day.
  package static func present(_ statuses: [ProjectionStatus]) -> [ProjectionStatus] {
    statuses.filter { status in
      all.contains { $0.name == status.name && $0.version == status.version }
    }
  }

  /// The read model called `name`.
  ///
  /// - Throws: `ProjectionError.unknownProjection`.
  package static func named(_ name: String) throws(ProjectionError) -> any Projection.Type {
    guard let projection = all.first(where: { $0.name == name }) else {
      throw .unknownProjection(name)
    }
    return projection
  }
}
