internal import EventCodec
internal import Postgres

/// How much a lane takes on at once, and how much time it asks the server for.
///
/// A session that was ended in the middle of its work would be ended there again: the next batch is half of that one,
/// down to one event. One that takes too long by itself gets twice the time of before, at each attempt,
/// and each projection a transaction of its own, so that it can be said which one it is.
struct Stint: Sendable, Equatable {
  /// Events of a batch.
  private(set) var limit: Int
  /// So many times the time that a session has.
  private(set) var patience = 1
  private let fullLimit: Int

  /// Eight minutes and a half of 8 seconds: for so long others may wait for a process that was put to sleep in it.
  static let patienceLimit = 64

  init(fullLimit: Int) {
    limit = fullLimit
    self.fullLimit = fullLimit
  }

  /// Rows of a step of a sweep: what comes meanwhile waits for one of them.
  var stepLimit: Int { min(limit, 1_000) }

  /// Even one event alone was too much.
  var isPatient: Bool { patience > 1 }

  /// The session was ended while it worked on so much.
  mutating func shrink(from count: Int) {
    if limit == 1 { patience = min(patience * 2, Self.patienceLimit) }
    limit = max(1, min(limit, count) / 2)
  }

  /// It was over long before its time: more may be.
  mutating func grow() {
    if isPatient {
      patience = 1
    } else {
      limit = min(limit * 2, fullLimit)
    }
  }

  /// Less of it may get through.
  static func mayHelp(_ error: any Error) -> Bool {
    switch error {
    case PostgresError.connectionLost: true
    case PostgresError.rejected(let rejection):
      rejection.kind == .statementTimeout || rejection.kind == .insufficientResources
    default: false
    }
  }
}
