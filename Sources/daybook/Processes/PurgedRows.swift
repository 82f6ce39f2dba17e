import Application
import Domain
import Postgres
import ReadModels

/// Asks the read models whether they have forgotten somebody.
struct PurgedRows: ErasedRows {
  let pool: PostgresPool

  func remaining(
    of contacts: [Identifier], in org: Identifier, through position: UInt64
  ) async throws -> Set<Identifier> {
    try await ReadModels.remaining(of: contacts, org: org, through: position, pool)
  }
}
