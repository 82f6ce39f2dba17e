import Crypto
import LMDB
import Merkle
import Synchronization

/// A group of commits as it will be stored, and what its members are told once it is.
struct PlannedGroup: Sendable {
  let items: [Queued]
  var firstPosition: UInt64
  /// One for each item. They hold once this group, and every one before it, is on disk.
  var outcomes: [Result<Receipt, EventLogError>] = []
  /// Empty where all of it were refusals and repetitions.
  var blocks: [EncodedBlock] = []
  var nodes: [TreeNode] = []
  var slots = TileSlots()
  /// Of the orgs in the blocks, as the group leaves them.
  var trees: [OrgID: Frontier] = [:]
  /// To plan it took a flush of the vault, which takes as long as one of the log.
  var hasMadeKeys = false
  /// Why there is nothing to store.
  private(set) var failure: EventLogError?

  init(items: [Queued], firstPosition: UInt64) {
    self.items = items
    self.firstPosition = firstPosition
    outcomes.reserveCapacity(items.count)
  }

  /// Nothing of it is stored: what is left are refusals, and receipts from before.
  mutating func fail(with error: EventLogError) {
    failure = error
    outcomes = items.indices.map { offset in
      guard offset < outcomes.count else { return .failure(error) }
      guard case .success(let receipt) = outcomes[offset] else { return outcomes[offset] }
      return receipt.lastPosition < firstPosition ? outcomes[offset] : .failure(error)
    }
  }
}

/// Stores groups in LMDB, one at a time and in order, on whichever thread: the next one is planned meanwhile.
final class GroupCommitter: Sendable {
  private struct State {
    var index = IndexWriter()
    /// The transaction that `index` belongs to, and all later ones.
    var since = 0
    /// Before it.
    var previous = IndexWriter()
  }

  let store: LogStore
  private let state = Mutex(State())

  init(store: LogStore) { self.store = store }

  /// What was just read from the disk; nothing is being stored.
  func start(from index: IndexWriter) {
    state.withLock { $0 = State(index: index, since: 0, previous: index) }
  }

  /// What the index is to `transaction`, which may have begun while a group was being stored: of that group, and of a
  /// merging of runs that came with it, it sees all or nothing.
  func view(head: UInt64, _ transaction: borrowing ReadTransaction) -> IndexView {
    let id = transaction.id
    return state.withLock { state in
      (id >= state.since ? state.index : state.previous).view(head: head)
    }
  }

  /// Nothing is being stored any more: from now on every transaction sees what the index is of, also those of a file that was
  /// put in place of this one, whose numbers begin anew. True where the last group filled a run.
  func settle() -> Bool {
    state.withLock { state in
      state = State(index: state.index, since: 0, previous: IndexWriter())
      return state.index.isFlushed
    }
  }

  /// Puts `group` on disk.
  ///
  /// - Throws: Nothing of it is stored; or `.outcomeUnknown`.
  func commit(_ group: PlannedGroup) throws(EventLogError) {
    let index = state.withLock { $0.index }
    while true {
      do {
        try store.environment.write { transaction throws in
          try put(group, index, &transaction)
        }
        return keepSlots(of: group)
      } catch let error as LMDBError where error.isMapFull {
        // Nothing was stored. The transaction is done over in a larger map.
        do { try store.environment.grow() } catch { throw .readOnly(reason: error.description) }
      } catch let error as LMDBError {
        throw outcome(of: error)
      } catch let error as EventLogError {
        throw error
      } catch {
        throw .storage(reason: "\(type(of: error))")
      }
    }
  }

  /// For proofs: rows of subtrees are written with the runs of the index.
  private func keepSlots(of group: PlannedGroup) {
    let areWritten = state.withLock { $0.index.isFlushed }
    store.newestSlots.withLock { slots in
      if areWritten { slots = TileSlots() } else { slots.add(group.slots) }
    }
  }

  private func put(
    _ group: PlannedGroup, _ index: IndexWriter, _ transaction: inout WriteTransaction
  ) throws {
    for block in group.blocks {
      try transaction.append(block.bytes, forKey: block.firstPosition, to: store.blocks)
    }
    for node in group.nodes {
      try transaction.put(node.hash.bytes, forKey: node.key, in: store.nodes)
    }
    let next = try index.adding(group, store: store, &transaction)
    let id = transaction.reading.id
    // Told before the transaction ends: whoever begins to read right after it sees the group.
    state.withLock { $0 = State(index: next, since: id, previous: index) }
  }

  /// LMDB writes pages that nobody refers to, flushes them, and then the meta page; it breaks where that one fails
  /// (mdb.c, `mdb_env_write_meta`), and only then is the outcome unknown. Nothing of the group is believed, or
  /// answered, before `GroupWriter.probe` has flushed something.
  private func outcome(of error: LMDBError) -> EventLogError {
    if store.environment.isBroken { return .outcomeUnknown(reason: error.description) }
    // A write that came out short on a full disk is EIO to LMDB.
    let freeBytes = (try? store.folder.freeBytes()) ?? .max
    let isFull = error.isDiskFull || freeBytes < Environment.minFreeBytes
    return isFull
      ? .logFull(capacityBytes: store.environment.mapBytes) : .readOnly(reason: error.description)
  }
}
