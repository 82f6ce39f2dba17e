/// One mail to each of an account's administrators about what they should know and did not ask for.
package struct AdministratorLetter: Sendable, Equatable, Codable {
  /// What happened up to here is in this letter or in an earlier one: a position of the log.
  package var throughPosition: Int64
  /// Users of the account.
  package var recipients: [Identifier]
  /// The account's own clock.
  package var writtenAtMicros: Micros

  package init(throughPosition: Int64, recipients: [Identifier], writtenAtMicros: Micros) {
    self.throughPosition = throughPosition
    self.recipients = recipients
    self.writtenAtMicros = writtenAtMicros
  }
}
