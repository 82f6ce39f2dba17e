/// What an account's book says first after its log was restored from a backup: from here on it is another history, whose
/// checkpoints have another name.
package struct HistoryRestore: Sendable, Equatable {
  /// Of the history that begins: 2 after the first restore.
  package var incarnation: Int64
  /// Why it was restored, in the words of whoever did.
  package var reason: String
  /// nil: nobody has written down when.
  package var restoredAtMicros: Micros?
  /// The three lines of the newest checkpoint of an earlier history that is known: origin, size, root. Events of
  /// that size that are not in this book are lost. nil: none was signed, or none is known any more.
  package var lastCheckpoint: String?

  package init(
    incarnation: Int64, reason: String, restoredAtMicros: Micros?, lastCheckpoint: String?
  ) {
    self.incarnation = incarnation
    self.reason = reason
    self.restoredAtMicros = restoredAtMicros
    self.lastCheckpoint = lastCheckpoint
  }
}
