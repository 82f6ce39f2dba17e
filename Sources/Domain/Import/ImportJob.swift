/// One file of contacts taken in. Stream: the job's id.
package enum ImportJob: Decider {
  package enum Command: Sendable, Equatable {
    /// `fingerprint` is the SHA-256 of the file in hex.
    case start(fingerprint: String, rowCount: Int, mapping: [String])
    case complete(ImportOutcome)
  }

  package enum Event: Sendable, Equatable {
    case started(fingerprint: String, rowCount: Int, mapping: [String])
    case completed(ImportOutcome)
  }

  package struct State: Sendable, Equatable, Codable {
    package var isStarted = false
    package var rowCount = 0
    package var outcome: ImportOutcome?

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyStarted
    case notFound
    case alreadyCompleted
    case notConserved(rows: Int, ended: Int)
  }

  package static let initialState = State()
}

package struct ImportOutcome: Sendable, Equatable, Codable {
  package var createdCount: Int
  package var updatedCount: Int
  package var unchangedCount: Int
  package var failedCount: Int

  package init(createdCount: Int, updatedCount: Int, unchangedCount: Int, failedCount: Int) {
    self.createdCount = createdCount
    self.updatedCount = updatedCount
    self.unchangedCount = unchangedCount
    self.failedCount = failedCount
  }
}

// MARK: - Decide

extension ImportJob {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .start(let fingerprint, let rowCount, let mapping):
      guard !state.isStarted else { throw .alreadyStarted }
      return [.started(fingerprint: fingerprint, rowCount: rowCount, mapping: mapping)]
    case .complete(let outcome):
      guard state.isStarted else { throw .notFound }
      if let known = state.outcome {
        guard known == outcome else { throw .alreadyCompleted }
        return []
      }
      try requireConserved(outcome, rowCount: state.rowCount)
      return [.completed(outcome)]
    }
  }

  /// Every row ended in exactly one way.
  private static func requireConserved(
    _ outcome: ImportOutcome, rowCount: Int
  ) throws(Rejection) {
    let counts = [
      outcome.createdCount, outcome.updatedCount, outcome.unchangedCount, outcome.failedCount,
    ]
    let ended = counts.reduce(0) { $0.addingReportingOverflow($1).partialValue }
    guard counts.allSatisfy({ 0 <= $0 && $0 <= rowCount }), ended == rowCount else {
      throw .notConserved(rows: rowCount, ended: ended)
    }
  }
}

// MARK: - Evolve

extension ImportJob {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .started(_, let rowCount, _):
      next.isStarted = true
      next.rowCount = rowCount
    case .completed(let outcome):
      next.outcome = outcome
    }
    return next
  }
}
