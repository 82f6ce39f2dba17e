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

  /// A session that holds locks and does nothing, because its process was paused or folds for so long, ends.
  private let idleMillis: Int

  init(seconds: Int, idleMillis: Int) {
    self.seconds = seconds
    self.idleMillis = idleMillis
    holder = UUIDText.encode(UInt128.random(in: 0 ... .max))
  }

  /// A session that holds locks and does nothing ends before the lease does; a statement that hangs,
  /// such as a COPY whose sender was paused, soon after.
  var sessionSQL: String { timesSQL("SET", patience: 1) }

  /// What takes longer has `patience` times as long in its transaction. It loses nothing by that: nobody else
  /// gets the checkpoints that it has locked.
  func extend(_ patience: Int, _ connection: PostgresConnection) throws {
    guard patience > 1 else { return }
    try connection.execute(timesSQL("SET LOCAL", patience: patience))
  }

  private func timesSQL(_ set: String, patience: Int) -> String {
    """
    \(set) idle_in_transaction_session_timeout = \(idleMillis * patience);
    \(set) statement_timeout = \(Self.statementMillis * patience)
    """
  }

  private static let statementMillis = 60_000

  /// Whether what took so long used little of a session's time.
  func isQuick(_ duration: Duration) -> Bool { duration < .milliseconds(idleMillis / 8) }

  /// How long a session does nothing at most, in words.
  func words(of patience: Int) -> String { "\(idleMillis * patience / 1_000) s" }

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
