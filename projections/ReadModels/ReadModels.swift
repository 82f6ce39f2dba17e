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
