/// One file of contacts taken in. Stream: the job's id.
package enum ImportJob {
  package enum Command: Sendable, Equatable {
    /// `fingerprint` is the SHA-256 of the file in hex.
    case start(fingerprint: String, rowCount: Int, mapping: [String])
    case complete(ImportOutcome)
  }

  package enum Event: Sendable, Equatable {
    case started(fingerprint: String, rowCount: Int, mapping: [String])
    case completed(ImportOutcome)
  }

  package struct State: Sendable, Equatable {
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

package struct ImportOutcome: Sendable, Equatable {
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
