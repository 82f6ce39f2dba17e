import Domain

/// An org that is to be created, with its wallet and with what `furnish` puts into it: all in one commit.
package struct NewOrg: Sendable {
  /// nil: a new one is drawn.
  let id: Identifier?
  let name: String
  let kind: Org.Kind
  let agency: Identifier?
  let timeZone: String
  let isTest: Bool
  let clockOffsetMicros: Int64
  let furnish: @Sendable (inout Workspace) throws(CommandError) -> Void

  package init(
    id: Identifier? = nil, name: String, kind: Org.Kind, agency: Identifier?, timeZone: String,
    isTest: Bool, clockOffsetMicros: Int64,
    furnish: @escaping @Sendable (inout Workspace) throws(CommandError) -> Void = { _ in }
  ) {
    self.id = id
    self.name = name
    self.kind = kind
    self.agency = agency
    self.timeZone = timeZone
    self.isTest = isTest
    self.clockOffsetMicros = clockOffsetMicros
    self.furnish = furnish
  }

  func create(
    in workspace: inout Workspace, _ prices: [PriceOverride]
  ) throws(CommandError) {
    try workspace.createOrg(
      name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
      clockOffsetMicros: clockOffsetMicros)
    for price in prices { try workspace.takeOver(price) }
    try furnish(&workspace)
  }
}
