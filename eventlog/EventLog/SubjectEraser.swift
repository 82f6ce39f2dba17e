import Vault

/// What can forget people. Both logs can.
package protocol SubjectEraser: AnyObject, Sendable {
  /// Destroys the keys of `subjects`, durably and for ever, and takes what they sealed out of the files: their parts
  /// read as `.erased` from now on, in every process, and no part of theirs is taken any more. A second call changes
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
