package import Domain
package import EventCodec
package import ProjectionRuntime

/// `wallet`: what an org's credit is now, and every movement of it. Schema and readers: `schema.sql`.
package enum WalletProjection: Projection {
  package static let name = "wallet"
  package static let version = 1
  package static let streams: Set<Identifier.Kind>? = [.wallet]
  package static let history: Set<String> = ["wallets"]
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let wallets = Rows<WalletRow>()
    let transactions = Appended<TransactionRow>()
    let holds = Rows<HoldRow>()

    package init() {}

    package var all: [any ProjectionTable] { [wallets, transactions, holds] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    guard case .wallet(let change) = event.event else { return }
    tables.wallets.want(ItemKey(event.org, event.stream))
    switch change {
    case .held(let message, _):
      tables.holds.want(ItemKey(event.org, message))
    case .settled(let message, _), .released(let message, _):
      tables.holds.want(ItemKey(event.org, message))
    case .opened, .funded, .debited, .waived, .refunded:
      break
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    guard case .wallet(let change) = event.event else { return }
    let key = ItemKey(event.org, event.stream)
    if case .opened = change {
      try tables.wallets.insertNew(
        WalletRow(key: key, atMicros: event.occurredAtMicros, position: event.positionColumn))
    }
    let heldMicros = try moveHold(change, event, in: tables)
    try tables.wallets.update(key) { row in
      row.apply(change, endedHoldMicros: heldMicros)
      row.version = Int64(event.version)
      row.updatedAtMicros = event.occurredAtMicros
      row.position = event.positionColumn
    }
    if let movement = Movement(change), let row = tables.wallets[key] {
      tables.transactions.append(movement.row(of: event, after: row))
    }
  }

  /// Begins or ends the hold of a message. Gives what an ended hold had kept aside.
  private static func moveHold(
    _ change: Wallet.Event, _ event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) -> Int64 {
    switch change {
    case .held(let message, let amountMicros):
      try tables.holds.insertNew(
        HoldRow(
          key: ItemKey(event.org, message), wallet: event.stream.value,
          amountMicros: amountMicros, position: event.positionColumn))
      return 0
    case .settled(let message, _), .released(let message, _):
      let key = ItemKey(event.org, message)
      guard let hold = tables.holds[key] else { throw .missingRow(table: HoldRow.table) }
      tables.holds[key] = nil
      return hold.amountMicros
    case .opened, .funded, .debited, .waived, .refunded:
      return 0
    }
  }
}

extension WalletRow {
  fileprivate mutating func apply(_ change: Wallet.Event, endedHoldMicros: Int64) {
    heldMicros -= endedHoldMicros
    switch change {
    case .opened, .released:
      break
    case .funded(let amountMicros, _, _):
      balanceMicros += amountMicros
      fundedMicros += amountMicros
    case .held(_, let amountMicros):
      heldMicros += amountMicros
    case .settled(_, let charge), .debited(let charge):
      balanceMicros -= charge.amountMicros
      chargedMicros += charge.amountMicros
    case .waived(let charge):
      waivedMicros += charge.amountMicros
    case .refunded(_, let charge):
      balanceMicros += charge.amountMicros
      refundedMicros += charge.amountMicros
    }
  }
}

/// A line of the statement before the balance is known.
private struct Movement {
  var kind: TransactionRow.Kind
  var amountMicros: Int64
  var resourceType: String?
  var resourceID: String?
  var message: Identifier?
  var description: String

  /// nil where no credit moves.
  init?(_ change: Wallet.Event) {
    switch change {
    case .opened, .waived:
      return nil
    case .funded(let amountMicros, let paymentID, let method):
      self.init(
        kind: .credit, amountMicros: amountMicros, resourceType: "payment", resourceID: paymentID,
        description: "Funds added (\(method))")
    case .held(let message, let amountMicros):
      self.init(
        kind: .hold, amountMicros: amountMicros, resourceType: "message", resourceID: message.text,
        message: message, description: "Held for a message")
    case .released(let message, let amountMicros):
      self.init(
        kind: .release, amountMicros: amountMicros, resourceType: "message",
        resourceID: message.text, message: message, description: "Hold released")
    case .settled(let message, let charge):
      self.init(.debit, charge, message: message)
    case .debited(let charge):
      self.init(.debit, charge, message: nil)
    case .refunded(let message, let charge):
      self.init(.refund, charge, message: message)
    }
  }

  private init(_ kind: TransactionRow.Kind, _ charge: Charge, message: Identifier?) {
    self.init(
      kind: kind, amountMicros: charge.amountMicros, resourceType: charge.resourceType,
      resourceID: charge.resourceID, message: message, description: charge.description)
  }

  private init(
    kind: TransactionRow.Kind, amountMicros: Int64, resourceType: String?, resourceID: String?,
    message: Identifier? = nil, description: String
  ) {
    self.kind = kind
    self.amountMicros = amountMicros
    self.resourceType = resourceType
    self.resourceID = resourceID
    self.message = message
    self.description = description
  }

  func row(of event: RecordedDomainEvent, after wallet: WalletRow) -> TransactionRow {
    TransactionRow(
      event: event, kind: kind, amountMicros: amountMicros,
      balanceAfterMicros: wallet.balanceMicros, heldAfterMicros: wallet.heldMicros,
      resourceType: resourceType, resourceID: resourceID, message: message?.value,
      description: description)
  }
}
