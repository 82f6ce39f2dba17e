import Synchronization

/// The blocks that were decoded last. A page ends inside a block and the next one goes on there; a stream and a proof ask
/// for one block several times. Known by their checksums: a block that an erasure or a compaction changed is another one.
final class RecentBlocks: Sendable {
  private struct Entry {
    let name: CheckedBlock
    let content: DecodedBlock
  }

  /// A few of the largest there are, or some dozens of the writer's.
  private static let maxBytes = 8 << 20
  private static let maxCount = 32

  private struct State {
    /// The one used last is the last one.
    var entries: [Entry] = []
    var byteCount = 0
  }

  private let state = Mutex(State())

  func content(of name: CheckedBlock, includingSealed: Bool) -> DecodedBlock? {
    state.withLock { state in
      let index = state.entries.lastIndex {
        $0.name == name && ($0.content.sealed != nil || !includingSealed)
      }
      guard let index else { return nil }
      let entry = state.entries.remove(at: index)
      state.entries.append(entry)
      return entry.content
    }
  }

  func remember(_ content: DecodedBlock, as name: CheckedBlock) {
    state.withLock { state in
      state.entries.append(Entry(name: name, content: content))
      state.byteCount += content.byteCount
      while state.entries.count > 1,
        state.byteCount > Self.maxBytes || state.entries.count > Self.maxCount
      {
        state.byteCount -= state.entries.removeFirst().content.byteCount
      }
    }
  }
}
