internal import Postgres

/// Who projects: one process a projection, on whichever machine.
///
/// The lease is looked at and renewed under the lock of the checkpoint's row, in the transaction that
/// writes rows, so that a process that was paused and wakes up after another one took over finds the
/// lease gone and writes nothing. What it left open is ended by the server (`sessionSQL`).
struct Lease: Sendable {
  /// Of this process and no other.
  let holder: String

  /// Without a sign of life for so long, another process takes over.
  let seconds: Int

  init(seconds: Int) {
    self.seconds = seconds
    holder = UUIDText.encode(UInt128.random(in: 0 ... .max))
  }

  /// A session that holds locks and does nothing ends before the lease does; a statement that hangs,
  /// such as a COPY whose sender was paused, soon after.
  static let sessionSQL = """
    SET idle_in_transaction_session_timeout = '8s'; SET statement_timeout = '60s'
    """

  /// Keeps what is ours of `names` while nothing moves, and writes down how fast it was lately: events a
  /// second by name.
  func renew(
    _ names: [String], _ rates: [String: Double], _ connection: PostgresConnection
  ) throws {
    let rates = rates.filter { names.contains($0.key) }.sorted { $0.key < $1.key }
    try connection.execute(
      """
      UPDATE daybook.projections p
      SET lease_until = clock_timestamp() + interval '\(seconds) seconds',
        rate = coalesce(
          (SELECT w.rate FROM unnest($2::text[], $3::bigint[]) AS w(name, rate)
            WHERE w.name = p.name), p.rate)
      WHERE lease_holder = $1 AND name = ANY($4::text[])
      """,
      [
        .text(holder), .textArray(rates.map(\.key)), .intArray(rates.map { Int64($0.value) }),
        .textArray(names),
      ])
  }

  /// Lets others go on at once.
  func release(_ connection: PostgresConnection) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET lease_holder = NULL, lease_until = '-infinity'
      WHERE lease_holder = $1
      """, [.text(holder)])
  }
}
