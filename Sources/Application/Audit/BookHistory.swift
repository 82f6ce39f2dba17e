import Merkle

/// Which of a book's histories a checkpoint's origin names: `<name>/i2/org/<org>` is the second, after a restore. All of
/// them are signed with one key, each under its own name.
struct BookHistory: Equatable {
  /// What all histories of the book have in common.
  let book: [Substring]
  /// Which of them it is.
  let incarnation: UInt32

  /// nil: no origin of a book.
  init?(_ origin: String) {
    var parts = origin.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count > 3, parts[parts.count - 2] == "org",
      parts[parts.count - 3].hasPrefix("i"),
      let incarnation = UInt32(parts[parts.count - 3].dropFirst())
    else { return nil }
    self.incarnation = incarnation
    parts.remove(at: parts.count - 3)
    book = parts
  }
}

extension NoteVerifier {
  /// The verifier of the history that the checkpoint `note` is of, where that is one of this one's book; else this one.
  func ofHistory(of note: String) -> NoteVerifier {
    let origin = String(note.prefix { $0 != "\n" })
    guard let book = BookHistory(origin)?.book, book == BookHistory(name)?.book else {
      return self
    }
    return NoteVerifier(name: origin, publicKey: publicKey)
  }
}
