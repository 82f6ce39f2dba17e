package import Domain
package import EventCodec

/// A read model: a pure fold from events to rows of its own tables.
///
/// Adding one is a folder with `schema.sql`, the rows and the fold, and a line in `ReadModels.all`.
/// The runtime does the rest: it loads the rows that a batch touches in one query a table, folds in
/// memory, writes the changed rows and moves the checkpoint in the same transaction; a rebuild runs
/// the same fold over the whole log.
package protocol Projection: SendableMetatype {
  associatedtype Tables: TableSet

  /// Lower case, as in `daybook rebuild NAME`.
  static var name: String { get }

  /// Raised whenever the same events give other rows. Another version is another schema.
  static var version: Int { get }

  /// The kinds of stream whose events the fold looks at; nil: all.
  static var streams: Set<Identifier.Kind>? { get }

  /// The tables whose rows are kept in every version they had, for `as_of`; see `HistoryTable`.
  /// Ledgers need none: their rows never change and carry their position.
  static var history: Set<String> { get }

  /// The events that wait behind an event that cannot be applied: those of the same key. The
  /// stream's, if nothing else is said.
  static func parkingKey(of event: RecordedDomainEvent) -> Identifier

  /// `CREATE TABLE`, keys and indexes; see `SchemaScript`.
  static var schemaSQL: String { get }

  /// Names the rows that `apply` will read or change for this event, so that they can be loaded.
  /// Called again once they are, for rows that only those rows lead to (`Rows.loaded`).
  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables)

  /// Folds one event. No clock, no other read model: the same events give the same rows.
  ///
  /// - Throws: `FoldError` where the rows contradict the event; it is parked.
  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError)

  /// Whether an event can keep the projection busy for longer than the others should wait, such as a sweep
  /// over all contacts.
  static var lingers: Bool { get }

  /// Whether this event may concern all rows of its org in some table; see `Sweep`.
  static func sweeps(_ event: RecordedDomainEvent) -> Bool

  /// What goes when people are erased, beside the rows that `apply` deletes: what no key leads to, and old
  /// versions. Run in this order once the rows of the batch are written.
  ///
  /// Each is a statement that may name two things: `{schema}`, and `{erased}`, a set of rows with `org`,
  /// `contact` and the `position` of the request. What it leaves must not depend on whether the person's
  /// events could still be read when they were folded: a rebuild after the erasure gives the same rows.
  static var purges: [String] { get }

  /// Whether it really does. Asked once the declared rows are loaded and before `apply`.
  static func needsSweep(_ event: RecordedDomainEvent, in tables: Tables) -> Bool

  /// What to do then, from the event alone: later transactions ask again.
  static func sweep(for event: RecordedDomainEvent, in tables: Tables) -> Sweep
}

extension Projection {
  package static var history: Set<String> { [] }
  package static func parkingKey(of event: RecordedDomainEvent) -> Identifier { event.stream }
  package static var lingers: Bool { false }
  package static func sweeps(_ event: RecordedDomainEvent) -> Bool { false }
  package static func needsSweep(_ event: RecordedDomainEvent, in tables: Tables) -> Bool { false }
  package static func sweep(for event: RecordedDomainEvent, in tables: Tables) -> Sweep {
    preconditionFailure("\(name) sweeps nothing")
  }
  package static var purges: [String] { [] }

  /// The Postgres schema that holds the tables, such as `contacts_v1`. Readers name it.
  package static var schema: String { "\(name)_v\(version)" }

  /// Whether the fold looks at events of this type.
  package static func consumes(_ event: RecordedDomainEvent) -> Bool {
    streams?.contains(event.stream.kind) ?? true
  }

  /// The type names that the fold looks at; nil: all.
  package static var eventTypes: Set<String>? {
    streams.map { kinds in
      Set(EventCodec.types.filter { kinds.contains($0.streamKind) }.map(\.name))
    }
  }
}

/// The tables of a projection and the rows of them that are in memory.
package protocol TableSet: AnyObject {
  init()

  /// Every table once, in the order of `schema.sql`.
  var all: [any ProjectionTable] { get }
}

/// An event that concerns all rows of an org in one table, however many they are: a changed segment
/// looks at every contact. `apply` runs once, then `visit` for all rows that the table had at the event,
/// some at a time, in as many transactions as it takes; see decision 0006.
package struct Sweep {
  package let table: any SweptTable
  package let org: Identifier
  /// Reads rows through the table's `rows(of:)` and changes other tables. No row is visited twice, and each
  /// before anything later is folded into it. What else it looks at may be newer than the event; beside rows
  /// of a table without history two visits change none together, and those by steps that no order changes.
  package let visit: () throws(FoldError) -> Void

  package init(
    table: any SweptTable, org: Identifier, visit: @escaping () throws(FoldError) -> Void
  ) {
    self.table = table
    self.org = org
    self.visit = visit
  }
}

/// An event and the rows do not fit together: a defect of the fold or of whoever wrote the event.
package enum FoldError: Error, Equatable {
  case missingRow(table: String)
  case unexpectedRow(table: String)
  /// The event itself, such as an amount that would make a balance negative.
  case contradiction(reason: String)
}

extension FoldError: CustomStringConvertible {
  package var code: String {
    switch self {
    case .missingRow: "fold_missing_row"
    case .unexpectedRow: "fold_unexpected_row"
    case .contradiction: "fold_contradiction"
    }
  }

  package var description: String {
    switch self {
    case .missingRow(let table): "\(code): \(table) has no row for this event"
    case .unexpectedRow(let table): "\(code): \(table) has a row already"
    case .contradiction(let reason): "\(code): \(reason)"
    }
  }
}
