import Domain
import Synchronization

/// What reads of single objects were answered with, for as long as nothing of the object changes: the
/// writer says what changed. A cache: whatever is not in it is folded from the log.
///
/// Answers are of what is on disk. Whoever folds one asks before it reads the log and keeps it
/// afterwards; what changed in between is not kept.
package final class RecentAnswers: Sendable {
  package struct Answer: Sendable {
    package let bytes: [UInt8]
    package let version: UInt64

    package init(bytes: [UInt8], version: UInt64) {
      self.bytes = bytes
      self.version = version
    }
  }

  package enum Found {
    /// Good at `position` of the log at least.
    case known(Answer, position: UInt64)
    case unknown(Ticket)
  }

  /// Who asked before reading the log.
  package struct Ticket: Sendable {
    fileprivate let key: Key
    fileprivate let number: UInt64
  }

  fileprivate struct Key: Hashable {
    let org: Identifier
    let id: Identifier
  }

  private enum Entry {
    case wanted(number: UInt64)
    case kept(Answer, position: UInt64)
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var ticketCount: UInt64 = 0
    /// Up to where every change of the org is known here.
    var positions: [Identifier: UInt64] = [:]
    /// Orgs of which nobody knows for the moment what is on disk.
    var doubtful: Set<Identifier> = []
  }

  /// Above this number all are given up: a few dozen megabytes at most.
  private static let limit = 20_000

  private let state = Mutex(State())

  init() {}

  package func find(_ id: Identifier, of org: Identifier, atLeast position: UInt64) -> Found {
    let key = Key(org: org, id: id)
    return state.withLock { state in
      if case .kept(let answer, let foldedAt) = state.entries[key] {
        let reached = max(foldedAt, state.positions[org] ?? 0)
        if reached >= position { return .known(answer, position: reached) }
      }
      if state.entries.count >= Self.limit { state.entries = [:] }
      state.ticketCount += 1
      state.entries[key] = .wanted(number: state.ticketCount)
      return .unknown(Ticket(key: key, number: state.ticketCount))
    }
  }

  /// `position`: the head of the log before `answer` was folded from it.
  package func keep(_ answer: Answer, position: UInt64, for ticket: Ticket) {
    state.withLock { state in
      guard case .wanted(ticket.number) = state.entries[ticket.key],
        !state.doubtful.contains(ticket.key.org)
      else { return }
      state.entries[ticket.key] = .kept(answer, position: position)
    }
  }

  /// `position`: everything of the org up to there was said; nil while nobody knows what is on disk.
  func forget(_ ids: some Sequence<Identifier>, of org: Identifier, position: UInt64?) {
    state.withLock { state in
      if !state.entries.isEmpty {
        for id in ids { state.entries[Key(org: org, id: id)] = nil }
      }
      if let position { state.positions[org] = max(position, state.positions[org] ?? 0) }
    }
  }

  /// While a flush has an unknown end nothing is kept; afterwards everything is read anew.
  func setDoubt(_ isDoubtful: Bool, about org: Identifier) {
    state.withLock { state in
      if isDoubtful { state.doubtful.insert(org) } else { state.doubtful.remove(org) }
      state.entries = state.entries.filter { $0.key.org != org }
    }
  }
}
