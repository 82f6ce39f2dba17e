import Vault

/// What can forget people. Both logs can.
package protocol SubjectEraser: AnyObject, Sendable {
  /// What `erase` begins with: destroys the keys of `subjects`, durably and for ever. Their parts read as `.erased` from
  /// now on, in every process, and no part of theirs is taken any more. Takes one commit, and needs neither room on the
  /// disk nor a backup folder. A second call changes nothing.
  func destroyKeys(of subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError)

  /// Destroys the keys of `subjects`, takes what they sealed out of the files, and tells the backups. A second call changes
  /// nothing. Commits wait meanwhile: the log's file is copied once, whatever the number of subjects.
  ///
  /// Append the event that asks for it first, and the one that reports it afterwards: a crash in
  /// between leaves a request that is repeated, not an erasure that nobody knows of.
  func erase(_ subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError)
}

extension SubjectID {
  /// The id of the subject's key as leaves show it: 16 bytes. What the record of an erasure names.
  package func keyID(in org: OrgID) -> [UInt8] {
    KeyName(org: org.value, subject: value).keyID.bytes
  }
}
