internal import Domain

/// A stretch of time in a segment: past its beginning, or still to come.
struct Membership: Sendable, Equatable {
  let segment: UInt128
  let enteredAtMicros: Micros
  /// The event that decided the beginning.
  let enteredPosition: Int64
  /// nil: until something happens.
  let leavesAtMicros: Micros?
  /// The event that decided the end.
  let leavesPosition: Int64?
  /// The beginning is among the changes; else it lies ahead of the contact's last event.
  let isNoted: Bool

  /// It has begun and no time ends it.
  var isSettled: Bool { isNoted && leavesAtMicros == nil }

  func contains(_ micros: Micros) -> Bool {
    enteredAtMicros <= micros && (leavesAtMicros.map { micros < $0 } ?? true)
  }
}

/// What an event makes of a contact's memberships of one segment.
struct MembershipChange {
  private(set) var memberships: [Membership] = []
  private(set) var changes: [Entry] = []

  struct Entry: Equatable {
    let change: ChangeRow.Change
    let atMicros: Micros
    let position: Int64
    let isByTime: Bool
  }

  /// `old`: as the last event left it; `spans`: when the filter holds from `micros` on.
  init(
    segment: UInt128, old: [Membership], spans: [Filter.Span], atMicros micros: Micros,
    position: Int64
  ) {
    noteWhatTimeDid(old, until: micros)
    var rest = spans[...]
    let present = old.first { $0.contains(micros) }
    if let now = rest.first, now.fromMicros == micros {
      rest.removeFirst()
      if present == nil { note(.entered, micros, position, isByTime: false) }
      let isSameEnd = present?.leavesAtMicros == now.untilMicros
      memberships.append(
        Membership(
          segment: segment, enteredAtMicros: present?.enteredAtMicros ?? micros,
          enteredPosition: present?.enteredPosition ?? position,
          leavesAtMicros: now.untilMicros,
          leavesPosition: now.untilMicros == nil
            ? nil : (isSameEnd ? present?.leavesPosition : position),
          isNoted: true))
    } else if present != nil {
      note(.left, micros, position, isByTime: false)
    }
    memberships += rest.map { span in
      Membership(
        segment: segment, enteredAtMicros: span.fromMicros, enteredPosition: position,
        leavesAtMicros: span.untilMicros,
        leavesPosition: span.untilMicros.map { _ in position }, isNoted: false)
    }
  }

  private mutating func noteWhatTimeDid(_ old: [Membership], until micros: Micros) {
    for membership in old {
      if !membership.isNoted, membership.enteredAtMicros <= micros {
        note(
          .entered, membership.enteredAtMicros, membership.enteredPosition, isByTime: true)
      }
      if let leavesAt = membership.leavesAtMicros, leavesAt <= micros,
        let position = membership.leavesPosition
      {
        note(.left, leavesAt, position, isByTime: true)
      }
    }
  }

  private mutating func note(
    _ change: ChangeRow.Change, _ micros: Micros, _ position: Int64, isByTime: Bool
  ) {
    changes.append(
      Entry(change: change, atMicros: micros, position: position, isByTime: isByTime))
  }
}
