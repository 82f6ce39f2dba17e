// The only file that calls LMDB. Everything unsafe about it stays below this line: raw pointers,
// return codes, and the rule that a transaction belongs to one thread. Callers see closures,
// spans, and `LMDBError`. Source of the rules quoted here: lmdb.h, LMDB 0.9.24.
//
// tidy:allow-long: handles stay private to the one file that calls LMDB.

import CLMDB
import Glibc
import Synchronization

/// A table of an environment. Its handle stays valid as long as the environment is open.
package struct Table: Sendable {
  fileprivate let id: MDB_dbi
}

/// What the keys of a table are.
package enum KeyKind: Sendable {
  /// `UInt64`, in numeric order.
  case number
  /// Up to 511 bytes, in the order of `memcmp`.
  case bytes
}

/// One LMDB environment: a directory with `data.mdb` and `lock.mdb`.
///
/// "Do not have open an LMDB database twice in the same process at the same time" (lmdb.h, Caveats):
/// `open` hands out the environment that is already open, and every `open` needs its `close`.
///
/// `@unchecked Sendable`: the handle is used under `gate`, shared by transactions and exclusive for
/// whatever replaces the mapping.
@safe
package final class Environment: @unchecked Sendable {
  package struct Options: Sendable {
    /// Address space to begin with; grows by `grow()`.
    package var mapBytes: Int
    package var tables: [String: KeyKind]
    /// Whether a data file that is missing is made. Whoever only reads makes none.
    package var mayCreate = true
    package var readerCount: UInt32 = 1024
    /// How much of mapped files this process holds, above what it cannot do without, before it gives that of this one back.
    package var maxHeldBytes = 32 << 20
    /// Called before it is made durable which file is in place: tests let that fail.
    package var willFlushNames: @Sendable () throws(LMDBError) -> Void = {}

    package init(mapBytes: Int, tables: [String: KeyKind]) {
      self.mapBytes = mapBytes
      self.tables = tables
    }
  }

  private struct Registry {
    var environments: [String: Environment] = [:]
  }

  private static let registry = Mutex(Registry())

  private let files: EnvironmentFiles
  private let options: Options
  private let gate: UnsafeMutablePointer<pthread_rwlock_t>
  /// nil once closed, and while it could not be opened again. Guarded by `gate`.
  private var handle: OpaquePointer?
  private var isClosed = false
  private var tables: [String: Table] = [:]
  /// Which files `handle` is of: another process may have put others in their place.
  private var fileNumbers = EnvironmentFiles.Numbers()
  /// Files that took the place of those before could not be opened: `handle` is nil until they can.
  private var isToConnect = false
  /// Whether a power cut may still give the name of the data file to the file before.
  private let isNameInDoubt = Atomic<Bool>(false)
  private var roomAhead: RoomAhead?
  private let heldPages: HeldPages
  /// Where this file is mapped; nil while nobody has asked since that changed last, which it does under the gate alone.
  private let mappedPlace = Mutex<MappedPages.Place?>(nil)
  private var pageBytes = 0
  /// The address of the read transaction in progress, by thread.
  private let inProgress = Mutex<[pthread_t: UInt]>([:])
  private let openings = Atomic<Int>(0)
  private var userCount = 1

  private init(_ files: EnvironmentFiles, options: Options) throws(LMDBError) {
    self.files = files
    self.options = options
    heldPages = HeldPages(maxBytes: options.maxHeldBytes)
    unsafe gate = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
    let code = unsafe pthread_rwlock_init(gate, nil)
    precondition(code == 0, "a lock of this process can be made")
    try connect()
  }

  deinit {
    unsafe pthread_rwlock_destroy(gate)
    unsafe gate.deallocate()
  }

  /// Opens the environment in the existing directory `path`, with all of `options.tables`.
  ///
  /// - Throws: `LMDBError`; where the directory holds no environment and may not be written, or a
  ///   table is missing and cannot be created, too.
  package static func open(path: String, options: Options) throws(LMDBError) -> Environment {
    let files = try EnvironmentFiles(path: path)
    return try registry.withLock { registry throws(LMDBError) in
      if let known = registry.environments[files.path] {
        known.userCount += 1
        return known
      }
      let environment = try Environment(files, options: options)
      registry.environments[files.path] = environment
      return environment
    }
  }

  /// Gives up one `open`; the last one closes the environment, after the transactions in progress.
  package func close() {
    Self.registry.withLock { registry in
      userCount -= 1
      guard userCount == 0 else { return }
      registry.environments[files.path] = nil
      exclusively {
        isClosed = true
        disconnect()
      }
    }
  }

  private func exclusively(_ body: () -> Void) {
    unsafe pthread_rwlock_wrlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    body()
  }

  private func exclusively(_ body: () throws(LMDBError) -> Void) throws(LMDBError) {
    unsafe pthread_rwlock_wrlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    try body()
  }

  // MARK: Opening

  private func connect() throws(LMDBError) {
    // One that was open and is gone was taken away: another one in its place would be empty.
    let mayCreate = options.mayCreate && fileNumbers.data == 0
    // Whoever opens is alone: nobody sees a half of a data file, nor of a lock file.
    try files.alone { () throws(LMDBError) in
      try files.waitForKilledOpener()
      try connectLocked(mayCreate: mayCreate)
    }
    isToConnect = false
  }

  private func connectLocked(mayCreate: Bool) throws(LMDBError) {
    if !mayCreate { try files.requireFirstPages() }
    do throws(LMDBError) {
      try connectOnce()
    } catch  where mayCreate && (error.code == MDB_INVALID || error.code == EINVAL) {
      guard try files.removeUnusedDataFile() else { throw damage(error) }
      try connectOnce()
    } catch {
      throw damage(error)
    }
  }

  /// What is no file of LMDB's any more.
  private func damage(_ error: LMDBError) -> LMDBError {
    guard error.code == MDB_INVALID || error.code == MDB_VERSION_MISMATCH else { return error }
    return .cutOff("\(files.dataPath) is damaged in its first pages: \(error.message)")
  }

  /// How often a file was opened, this one or one that took its place: a transaction's number means something while it stays the
  /// same. It does within a transaction.
  package var openingCount: Int { openings.load(ordering: .relaxed) }

  private func connectOnce() throws(LMDBError) {
    openings.wrappingAdd(1, ordering: .relaxed)
    mappedPlace.withLock { $0 = nil }
    var created: OpaquePointer?
    try unsafe check("mdb_env_create", mdb_env_create(&created))
    guard let created = unsafe created else {
      preconditionFailure("no environment and no error")
    }
    do throws(LMDBError) {
      try unsafe check(
        "mdb_env_set_maxdbs", mdb_env_set_maxdbs(created, UInt32(options.tables.count)))
      try unsafe check(
        "mdb_env_set_maxreaders", mdb_env_set_maxreaders(created, options.readerCount))
      try unsafe check("mdb_env_set_mapsize", mdb_env_set_mapsize(created, options.mapBytes))
      // MDB_NOTLS: read transactions belong to their object, not to the thread that began them.
      // MDB_NORDAHEAD: reads are spread over a file that may be larger than memory.
      // Not MDB_NOMEMINIT: it would write what the heap held before, personal data included.
      let isWritable = files.isWritable
      let flags = MDB_NOTLS | MDB_NORDAHEAD | (isWritable ? 0 : MDB_RDONLY)
      try unsafe check("mdb_env_open", mdb_env_open(created, files.path, UInt32(flags), 0o600))
      if isWritable { try unsafe Self.flushWhereNew(created) }
      try unsafe files.requireLength(
        try Self.pageEnd(created), ofOpen: try Self.descriptor(created))
      // A reader makes none: what looks empty to it is not.
      tables = try unsafe openTables(
        in: created, mayCreate: isWritable && options.mayCreate)
      var status = MDB_stat()
      try unsafe check("mdb_env_stat", mdb_env_stat(created, &status))
      pageBytes = Int(status.ms_psize)
      roomAhead = isWritable ? RoomAhead(dataPath: files.dataPath) : nil
    } catch {
      unsafe mdb_env_close(created)
      throw error
    }
    // Slots of readers that were killed hold back pages for ever otherwise.
    var deadCount: Int32 = 0
    try unsafe check("mdb_reader_check", mdb_reader_check(created, &deadCount))
    fileNumbers = files.numbers()
    unsafe handle = created
  }

  /// LMDB writes the first two pages without a flush (mdb.c, `mdb_env_init_meta`): a power cut could keep pages of the first
  /// transaction and lose those, and nobody could tell such a file from a log that was damaged.
  private static func flushWhereNew(_ handle: OpaquePointer) throws(LMDBError) {
    var info = unsafe MDB_envinfo()
    try unsafe check("mdb_env_info", mdb_env_info(handle, &info))
    guard unsafe info.me_last_txnid == 0 else { return }
    try unsafe check("mdb_env_sync", mdb_env_sync(handle, 1))
  }

  /// By the meta page that was written last.
  fileprivate static func pageEnd(_ handle: OpaquePointer) throws(LMDBError) -> Int {
    var info = unsafe MDB_envinfo()
    try unsafe check("mdb_env_info", mdb_env_info(handle, &info))
    var status = MDB_stat()
    try unsafe check("mdb_env_stat", mdb_env_stat(handle, &status))
    return unsafe (info.me_last_pgno + 1) * Int(status.ms_psize)
  }

  private static func descriptor(_ handle: OpaquePointer) throws(LMDBError) -> Int32 {
    var descriptor: Int32 = -1
    try unsafe check("mdb_env_get_fd", mdb_env_get_fd(handle, &descriptor))
    return descriptor
  }

  private func disconnect() {
    mappedPlace.withLock { $0 = nil }
    if let open = unsafe handle { unsafe mdb_env_close(open) }
    unsafe handle = nil
    roomAhead = nil
  }

  private func openTables(
    in handle: OpaquePointer, mayCreate: Bool
  ) throws(LMDBError) -> [String: Table] {
    do {
      return try unsafe openTables(in: handle, transactionFlags: MDB_RDONLY, tableFlags: 0)
    } catch  where mayCreate && error.code == MDB_NOTFOUND {
      return try unsafe openTables(in: handle, transactionFlags: 0, tableFlags: MDB_CREATE)
    }
  }

  private func openTables(
    in handle: OpaquePointer, transactionFlags: Int32, tableFlags: Int32
  ) throws(LMDBError) -> [String: Table] {
    let begun = try unsafe begin(handle, flags: transactionFlags)
    var tables: [String: Table] = [:]
    do throws(LMDBError) {
      for (name, kind) in options.tables.sorted(by: { $0.key < $1.key }) {
        let flags = tableFlags | (kind == .number ? MDB_INTEGERKEY : 0)
        var id: MDB_dbi = 0
        try unsafe check("mdb_dbi_open", mdb_dbi_open(begun, name, UInt32(flags), &id))
        tables[name] = Table(id: id)
      }
    } catch {
      unsafe mdb_txn_abort(begun)
      throw error
    }
    // Committed also where it only read: the handles become the environment's.
    try unsafe check("mdb_txn_commit", mdb_txn_commit(begun))
    return tables
  }

  /// The table that `Options.tables` named.
  package func table(_ name: String) -> Table {
    unsafe pthread_rwlock_rdlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    guard let table = tables[name] else { preconditionFailure("a table not named when opening") }
    return table
  }

  // MARK: Transactions

  /// Runs `body` on a snapshot: it sees what was committed when it began, and nothing later.
  ///
  /// Within another `read` of the same thread it is the same snapshot: another one could ask for a larger map, or for the file that took the
  /// place of this one, and so wait for the end of the transaction that it is part of, for ever.
  package func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
    let thread = pthread_self()
    if let address = inProgress.withLock({ $0[thread] }),
      let outer = unsafe OpaquePointer(bitPattern: address)
    {
      return try body(unsafe ReadTransaction(handle: outer))
    }
    defer { releasePagesIfMany() }
    return try unsafe sharing { handle throws in
      let begun = try unsafe begin(handle, flags: MDB_RDONLY)
      let address = UInt(bitPattern: begun)
      inProgress.withLock { $0[thread] = address }
      defer {
        inProgress.withLock { $0[thread] = nil }
        unsafe mdb_txn_abort(begun)
      }
      let transaction = unsafe ReadTransaction(handle: begun)
      return try body(transaction)
    }
  }

  /// Runs `body` in a write transaction: committed and synced when it returns, aborted when it
  /// throws.
  ///
  /// `body` is synchronous because LMDB ties a transaction to its thread; an `await` inside could
  /// resume on another one. Blocks while another write transaction runs.
  ///
  /// - Throws: What `body` throws, and nothing is stored. Or `LMDBError` where the commit fails, and
  ///   the outcome is unknown unless `isMapFull` or `isDiskFull`: LMDB tries to put the old state
  ///   back but does not check that it did (mdb.c, `mdb_env_write_meta`). Call `reopen()` and read
  ///   before relying on either outcome.
  package func write<Result>(_ body: (inout WriteTransaction) throws -> Result) throws -> Result {
    defer { releasePagesIfMany() }
    // What is committed in a file without its name for good would be lost with it.
    if isNameInDoubt.load(ordering: .acquiring) { try flushNames() }
    return try unsafe sharing { handle throws in
      let begun = try unsafe begin(handle, flags: 0)
      unsafe provideRoomAhead(handle)
      var transaction = unsafe WriteTransaction(handle: begun)
      let result: Result
      do {
        result = try body(&transaction)
      } catch {
        unsafe mdb_txn_abort(begun)
        throw error
      }
      // mdb_txn_commit frees the handle whether or not it succeeds: never abort after it.
      try unsafe check("mdb_txn_commit", mdb_txn_commit(begun))
      unsafe provideLength(handle)
      return result
    }
  }

  /// Takes over what a killed writer left: it may have written its last meta page without announcing it
  /// to the readers of other processes, which keep the announcement alive. The next write transaction notices
  /// (mdb.c, `mdb_mutex_failed`); a read transaction before it sees one commit too little.
  ///
  /// A writer that decides on what it read calls this before it reads for the first time.
  package func takeOverFromKilledWriter() throws {
    try files.removeLeftovers()
    // It may have been killed between putting a file in place and making that durable.
    try flushNames()
    try unsafe sharing { handle throws in
      unsafe mdb_txn_abort(try begin(handle, flags: 0))
    }
  }

  private func flushNames() throws(LMDBError) {
    try options.willFlushNames()
    try files.flushNames()
    isNameInDoubt.store(false, ordering: .releasing)
  }

  /// In a write transaction that has written nothing yet.
  private func provideRoomAhead(_ handle: OpaquePointer) {
    var info = unsafe MDB_envinfo()
    guard let roomAhead, unsafe mdb_env_info(handle, &info) == MDB_SUCCESS else { return }
    roomAhead.provide(from: unsafe (info.me_last_pgno + 1) * pageBytes)
  }

  /// After a commit: pages at the end that a transaction took and gave up again are counted, but not written. A file that
  /// is shorter than what is counted would look cut off to whoever opens it next.
  private func provideLength(_ handle: OpaquePointer) {
    guard let end = unsafe try? Self.pageEnd(handle), !(roomAhead?.reaches(end) ?? false),
      let descriptor = unsafe try? Self.descriptor(handle)
    else { return }
    EnvironmentFiles.provideLength(end, ofOpen: descriptor)
  }

  private func begin(_ handle: OpaquePointer, flags: Int32) throws(LMDBError) -> OpaquePointer {
    var begun: OpaquePointer?
    try unsafe check("mdb_txn_begin", mdb_txn_begin(handle, nil, UInt32(flags), &begun))
    guard let begun = unsafe begun else { preconditionFailure("no transaction and no error") }
    guard flags == 0 else { return unsafe begun }
    do throws(LMDBError) {
      try unsafe requireNewest(begun, handle)
    } catch {
      unsafe mdb_txn_abort(begun)
      throw error
    }
    return unsafe begun
  }

  /// LMDB takes the number of the last commit from `lock.mdb`, and the pages that it begins with from that. Were it another one than
  /// the meta pages have, a commit would put pages over those of the log: it is better not made.
  private func requireNewest(
    _ begun: OpaquePointer, _ handle: OpaquePointer
  ) throws(LMDBError) {
    var info = unsafe MDB_envinfo()
    try unsafe check("mdb_env_info", mdb_env_info(handle, &info))
    guard unsafe mdb_txn_id(begun) == info.me_last_txnid + 1 else { throw .strangeLock(files.path) }
  }

  /// Runs `body` with the mapping held in place; takes over the growth of another process first.
  private func sharing<Result>(_ body: (OpaquePointer) throws -> Result) throws -> Result {
    try takeOverRewrittenFile()
    while true {
      do {
        unsafe pthread_rwlock_rdlock(gate)
        defer { unsafe pthread_rwlock_unlock(gate) }
        guard let handle = unsafe handle else {
          guard isClosed else { throw Self.notOpen }
          throw LMDBError(function: "mdb_txn_begin", code: EBADF, message: "closed")
        }
        return try unsafe body(handle)
      } catch let error as LMDBError
        where error.code == MDB_MAP_RESIZED
      {
        // Said when a transaction begins, also the one of a copy, which has written nothing then.
        try resize(to: 0)
      }
    }
  }

  // MARK: The map

  package var mapBytes: Int {
    unsafe pthread_rwlock_rdlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    var info = unsafe MDB_envinfo()
    guard let handle = unsafe handle, unsafe mdb_env_info(handle, &info) == MDB_SUCCESS else {
      return 0
    }
    return unsafe info.me_mapsize
  }

  /// Whoever reads much of the log reads it once: without this a process that folds a book, skips what others wrote, or
  /// merges blocks, would seem to hold the whole log and all keys.
  private func releasePagesIfMany() {
    guard heldPages.areMany() else { return }
    releasePages()
    heldPages.wereReleased()
  }

  /// Gives back the memory through which this process looked at the data file.
  func releasePages() {
    unsafe pthread_rwlock_rdlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    guard let handle = unsafe handle else { return }
    let place = mappedPlace.withLock { place in
      if place == nil { place = unsafe mappedAddress(handle).flatMap(MappedPages.place) }
      return place
    }
    if let place { MappedPages.release(place) }
  }

  /// An address in the map: another file may have the number of this one, on another device. nil where nothing is stored, or nothing can
  /// be read now.
  private func mappedAddress(_ handle: OpaquePointer) -> UInt? {
    guard let begun = try? unsafe begin(handle, flags: MDB_RDONLY) else { return nil }
    defer { unsafe mdb_txn_abort(begun) }
    let transaction = unsafe ReadTransaction(handle: begun)
    for table in tables.values {
      if let address = try? transaction.firstAddress(in: table) { return address }
    }
    return nil
  }

  /// Makes the map larger: doubled, by at most 64 GiB. Waits for the transactions of this process.
  package func grow() throws(LMDBError) {
    let current = mapBytes
    guard current > 0 else { throw Self.notOpen }
    try resize(to: current + min(current, 64 << 30))
  }

  /// Closes and opens again: what a failed flush asks for, since LMDB refuses to go on then.
  package func reopen() throws(LMDBError) {
    try exclusively { () throws(LMDBError) in
      disconnect()
      isToConnect = true
      try connect()
    }
  }

  private func resize(to mapBytes: Int) throws(LMDBError) {
    try exclusively { () throws(LMDBError) in
      guard let open = unsafe handle else { return }
      mappedPlace.withLock { $0 = nil }
      do throws(LMDBError) {
        try unsafe check("mdb_env_set_mapsize", mdb_env_set_mapsize(open, mapBytes))
      } catch {
        // LMDB has given up the old mapping before it asked for the new one.
        disconnect()
        isToConnect = true
        try connect()
        throw error
      }
    }
  }

  /// Whether LMDB refuses to go on until `reopen()`: after a meta page that could not be written, or a mapping that
  /// could not be made.
  package var isBroken: Bool {
    unsafe pthread_rwlock_rdlock(gate)
    defer { unsafe pthread_rwlock_unlock(gate) }
    guard let handle = unsafe handle else { return !isClosed }
    do throws(LMDBError) {
      unsafe mdb_txn_abort(try begin(handle, flags: MDB_RDONLY))
      return false
    } catch {
      return error.code == MDB_PANIC
    }
  }

  /// What an environment without a handle answers.
  private static let notOpen = LMDBError(
    function: "mdb_txn_begin", code: ENODEV, message: "not open after a failure")

  /// About how large a compacting copy is.
  package func copyByteCount() throws -> Int {
    try read { transaction throws in
      var byteCount = 0
      for table in tables.values { byteCount += try transaction.byteCount(in: table) }
      return byteCount
    }
  }

  /// - Throws: An error that `isDiskFull` where the disk has no room for `byteCount` more beside `minFreeBytes`.
  package func requireRoom(for byteCount: Int) throws(LMDBError) {
    try EnvironmentFiles.requireRoom(for: byteCount, in: files.path)
  }

  /// Less free room than this is none: a small commit would fit and the next large one would not. No copy takes it.
  package static let minFreeBytes = 4 << 20

  /// Writes a copy without free pages (and so without deleted bytes) into the empty directory
  /// `path`, while reading and writing go on. Refused where the disk has less room than that takes: to find it out by filling
  /// the disk would leave none to those who write beside it.
  package func copyCompacting(to path: String) throws {
    try EnvironmentFiles.requireRoom(for: try copyByteCount(), in: path)
    try unsafe sharing { handle throws in
      try unsafe check("mdb_env_copy2", mdb_env_copy2(handle, path, UInt32(MDB_CP_COMPACT)))
    }
    try EnvironmentFiles.makePrivate(copyIn: path)
  }

  /// The same into an open descriptor, such as a pipe's. A reader of the pipe that goes away is an error here.
  package func copyCompacting(to descriptor: Int32) throws {
    try unsafe sharing { handle throws in
      try unsafe check(
        "mdb_env_copyfd2", mdb_env_copyfd2(handle, descriptor, UInt32(MDB_CP_COMPACT)))
    }
  }
}

// MARK: - Rewriting

extension Environment {
  /// Rewrites the file without free pages and slack, and so without deleted bytes, which LMDB keeps in both. Only the
  /// one writer may call it, and nothing writes meanwhile; reading goes on. Other processes take over the new
  /// file with their next transaction.
  ///
  /// A crash leaves the old file in use, or the new one: rename(2) puts it in place. `removeLeftovers` removes what
  /// it leaves beside, and what a failure leaves.
  package func rewrite() throws {
    try files.beginRewrite()
    do {
      try copyCompacting(to: files.rewritePath)
      try files.flushRewritten()
      try exclusively { () throws(LMDBError) in
        disconnect()
        let outcome = Result { () throws(LMDBError) in
          try files.alone { () throws(LMDBError) in
            isNameInDoubt.store(true, ordering: .releasing)
            try files.putRewrittenInPlace()
            try flushNames()
          }
        }
        isToConnect = true
        try connect()
        try outcome.get()
      }
    } catch {
      // The room that it takes is needed. What cannot be removed now is removed before the next rewriting.
      _ = try? files.removeLeftovers()
      throw error
    }
    try files.removeLeftovers()
  }

  /// Two stat(2) a transaction.
  private func takeOverRewrittenFile() throws(LMDBError) {
    unsafe pthread_rwlock_rdlock(gate)
    let isCurrent = isCurrent
    unsafe pthread_rwlock_unlock(gate)
    guard !isCurrent else { return }
    try exclusively { () throws(LMDBError) in
      guard !self.isCurrent else { return }
      disconnect()
      isToConnect = true
      try connect()
    }
  }

  /// Under the gate. A lock file alone is another one where whoever exchanged both was killed in between: the next writer would
  /// neither see a reader that stays with the old one nor be heard by it.
  private var isCurrent: Bool {
    unsafe handle == nil ? !isToConnect || isClosed : fileNumbers == files.numbers()
  }
}

// MARK: - Transactions

/// A snapshot. Not copyable, so no second reference to it can outlive the closure that it was lent to.
@safe
package struct ReadTransaction: ~Copyable {
  fileprivate let handle: OpaquePointer

  fileprivate init(handle: OpaquePointer) { unsafe self.handle = unsafe handle }

  /// Of the commit that it sees last; a write transaction's is the one that it will make.
  package var id: Int { unsafe mdb_txn_id(handle) }

  /// Calls `body` with the bytes stored under `key`, or returns nil where there are none.
  ///
  /// The span views LMDB's map and is valid only until the next write; the compiler keeps it from
  /// leaving `body`.
  package func withValue<Result>(
    forKey key: UInt64, in table: Table, _ body: (RawSpan) throws -> Result
  ) throws -> Result? {
    var key = key
    var found = unsafe MDB_val()
    let code = unsafe withUnsafeMutableBytes(of: &key) { key in
      var keyBytes = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
      return unsafe mdb_get(handle, table.id, &keyBytes, &found)
    }
    return try unsafe Self.lend(found, code, body)
  }

  package func withValue<Result>(
    forKey key: [UInt8], in table: Table, _ body: (RawSpan) throws -> Result
  ) throws -> Result? {
    var key = key
    var found = unsafe MDB_val()
    let code = unsafe key.withUnsafeMutableBytes { key in
      var keyBytes = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
      return unsafe mdb_get(handle, table.id, &keyBytes, &found)
    }
    return try unsafe Self.lend(found, code, body)
  }

  private static func lend<Result>(
    _ found: MDB_val, _ code: Int32, _ body: (RawSpan) throws -> Result
  ) throws -> Result? {
    if code == MDB_NOTFOUND { return nil }
    try check("mdb_get", code)
    let bytes = unsafe UnsafeRawBufferPointer(start: found.mv_data, count: found.mv_size)
    return try body(unsafe bytes.bytes)
  }

  /// How many entries `table` has.
  package func entryCount(in table: Table) throws(LMDBError) -> Int {
    var statistics = MDB_stat()
    try unsafe check("mdb_stat", mdb_stat(handle, table.id, &statistics))
    return statistics.ms_entries
  }

  /// Bytes of the pages that `table` uses.
  package func byteCount(in table: Table) throws(LMDBError) -> Int {
    var statistics = MDB_stat()
    try unsafe check("mdb_stat", mdb_stat(handle, table.id, &statistics))
    let pageCount =
      statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages
    return pageCount * Int(statistics.ms_psize)
  }

  /// Where the data file's last page ends: what comes behind it is room for pages to come.
  package func pageEnd() throws(LMDBError) -> Int {
    guard let environment = unsafe mdb_txn_env(handle) else {
      preconditionFailure("a transaction has an environment")
    }
    return try unsafe Environment.pageEnd(environment)
  }

  /// Visits the entries of a table of numbers, upwards from the last key that is not above `start`
  /// (from the first one where there is none), until `body` returns false.
  package func scan(
    _ table: Table, fromAtOrBelow start: UInt64, _ body: (UInt64, RawSpan) throws -> Bool
  ) throws {
    try unsafe withCursor(table) { cursor throws in
      var key = start
      var value = unsafe MDB_val()
      var code = unsafe Self.seek(cursor, &key, &value)
      if code == MDB_NOTFOUND {
        code = unsafe Self.move(cursor, &key, &value, MDB_LAST)
      } else if code == MDB_SUCCESS, key > start {
        code = unsafe Self.move(cursor, &key, &value, MDB_PREV)
        if code == MDB_NOTFOUND { code = unsafe Self.move(cursor, &key, &value, MDB_FIRST) }
      }
      while code == MDB_SUCCESS {
        let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        guard try body(key, unsafe bytes.bytes) else { return }
        code = unsafe Self.move(cursor, &key, &value, MDB_NEXT)
      }
      if code != MDB_NOTFOUND { try check("mdb_cursor_get", code) }
    }
  }

  /// Visits the entries from the first one at or above `start` in the order of their keys until `body` returns false.
  package func scan(
    _ table: Table, from start: [UInt8], _ body: (_ key: RawSpan, _ value: RawSpan) throws -> Bool
  ) throws {
    try unsafe withCursor(table) { cursor throws in
      var value = unsafe MDB_val()
      var (key, code) = unsafe start.withUnsafeBytes { bytes in
        var key = unsafe MDB_val(
          mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        let code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
        return unsafe (key, code)
      }
      while code == MDB_SUCCESS {
        let name = unsafe UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size)
        let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        guard try body(unsafe name.bytes, unsafe bytes.bytes) else { return }
        code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
      }
      if code != MDB_NOTFOUND { try check("mdb_cursor_get", code) }
    }
  }

  /// Visits all entries of a table of byte strings in order.
  package func scan(_ table: Table, _ body: ([UInt8], RawSpan) throws -> Void) throws {
    try unsafe withCursor(table) { cursor throws in
      var key = unsafe MDB_val()
      var value = unsafe MDB_val()
      var code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
      while code == MDB_SUCCESS {
        let name = unsafe Array(
          UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size))
        let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        try body(name, unsafe bytes.bytes)
        code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
      }
      if code != MDB_NOTFOUND { try check("mdb_cursor_get", code) }
    }
  }

  /// Calls `body` with the last entry of a table of numbers, or returns nil where it is empty.
  package func withLast<Result>(
    in table: Table, _ body: (UInt64, RawSpan) throws -> Result
  ) throws -> Result? {
    try unsafe withCursor(table) { cursor throws in
      var key: UInt64 = 0
      var value = unsafe MDB_val()
      let code = unsafe Self.move(cursor, &key, &value, MDB_LAST)
      if code == MDB_NOTFOUND { return nil }
      try check("mdb_cursor_get", code)
      let bytes = unsafe UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
      return try body(key, unsafe bytes.bytes)
    }
  }

  /// Where in memory the first value of `table` lies; nil where there is none.
  fileprivate func firstAddress(in table: Table) throws -> UInt? {
    try unsafe withCursor(table) { cursor throws in
      var (key, value) = unsafe (MDB_val(), MDB_val())
      let code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
      return code == MDB_SUCCESS ? unsafe UInt(bitPattern: value.mv_data) : nil
    }
  }

  private func withCursor<Result>(
    _ table: Table, _ body: (OpaquePointer) throws -> Result
  ) throws -> Result {
    var opened: OpaquePointer?
    try unsafe check("mdb_cursor_open", mdb_cursor_open(handle, table.id, &opened))
    guard let opened = unsafe opened else { preconditionFailure("no cursor and no error") }
    defer { unsafe mdb_cursor_close(opened) }
    return try unsafe body(opened)
  }

  private static func seek(
    _ cursor: OpaquePointer, _ key: inout UInt64, _ value: inout MDB_val
  ) -> Int32 {
    var bytes = unsafe MDB_val()
    var wanted = key
    let code = unsafe withUnsafeMutableBytes(of: &wanted) { wanted in
      unsafe bytes = unsafe MDB_val(mv_size: wanted.count, mv_data: wanted.baseAddress)
      return unsafe mdb_cursor_get(cursor, &bytes, &value, MDB_SET_RANGE)
    }
    return unsafe take(bytes, &key, code)
  }

  private static func move(
    _ cursor: OpaquePointer, _ key: inout UInt64, _ value: inout MDB_val,
    _ operation: MDB_cursor_op
  ) -> Int32 {
    var bytes = unsafe MDB_val()
    let code = unsafe mdb_cursor_get(cursor, &bytes, &value, operation)
    return unsafe take(bytes, &key, code)
  }

  /// `code`, or `MDB_CORRUPTED` where the key is no number: LMDB's pages have no checksums.
  private static func take(_ bytes: MDB_val, _ key: inout UInt64, _ code: Int32) -> Int32 {
    guard code == MDB_SUCCESS else { return code }
    guard unsafe bytes.mv_size == 8 else { return MDB_CORRUPTED }
    key = unsafe bytes.mv_data.loadUnaligned(as: UInt64.self)
    return code
  }
}

/// The one write transaction in progress, which also reads what it wrote.
@safe
package struct WriteTransaction: ~Copyable {
  package let reading: ReadTransaction
  private var handle: OpaquePointer { unsafe reading.handle }

  fileprivate init(handle: OpaquePointer) { unsafe reading = ReadTransaction(handle: handle) }

  /// Stores `value` under `key`, in place of what was there.
  package mutating func put(_ value: [UInt8], forKey key: UInt64, in table: Table)
    throws(LMDBError)
  {
    var key = key
    let code = unsafe withUnsafeMutableBytes(of: &key) { unsafe put($0, value, table, flags: 0) }
    try check("mdb_put", code)
  }

  package mutating func put(_ value: [UInt8], forKey key: [UInt8], in table: Table)
    throws(LMDBError)
  {
    var key = key
    let code = unsafe key.withUnsafeMutableBytes { unsafe put($0, value, table, flags: 0) }
    try check("mdb_put", code)
  }

  /// Adds `value` under `key`, which must sort after every key in `table`.
  ///
  /// - Throws: `LMDBError` with `MDB_KEYEXIST` where `key` is not the greatest, and `MDB_MAP_FULL`
  ///   where the map has no room left.
  package mutating func append(_ value: [UInt8], forKey key: UInt64, to table: Table)
    throws(LMDBError)
  {
    var key = key
    let code = unsafe withUnsafeMutableBytes(of: &key) {
      unsafe put($0, value, table, flags: MDB_APPEND)
    }
    try check("mdb_put", code)
  }

  private func put(
    _ key: UnsafeMutableRawBufferPointer, _ value: [UInt8], _ table: Table, flags: Int32
  ) -> Int32 {
    unsafe value.withUnsafeBytes { value in
      var keyBytes = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
      // mdb_put does not write through the value's pointer without MDB_RESERVE.
      var valueBytes = unsafe MDB_val(
        mv_size: value.count, mv_data: UnsafeMutableRawPointer(mutating: value.baseAddress))
      return unsafe mdb_put(handle, table.id, &keyBytes, &valueBytes, UInt32(flags))
    }
  }

  /// Removes `key`; false where it was not there.
  package mutating func remove(_ key: UInt64, from table: Table) throws(LMDBError) -> Bool {
    var key = key
    let code = unsafe withUnsafeMutableBytes(of: &key) { unsafe remove($0, table) }
    if code == MDB_NOTFOUND { return false }
    try check("mdb_del", code)
    return true
  }

  package mutating func remove(_ key: [UInt8], from table: Table) throws(LMDBError) -> Bool {
    var key = key
    let code = unsafe key.withUnsafeMutableBytes { unsafe remove($0, table) }
    if code == MDB_NOTFOUND { return false }
    try check("mdb_del", code)
    return true
  }

  private func remove(_ key: UnsafeMutableRawBufferPointer, _ table: Table) -> Int32 {
    var keyBytes = unsafe MDB_val(mv_size: key.count, mv_data: key.baseAddress)
    return unsafe mdb_del(handle, table.id, &keyBytes, nil)
  }
}

private func check(_ function: String, _ code: Int32) throws(LMDBError) {
  guard code == MDB_SUCCESS else {
    throw unsafe LMDBError(
      function: function, code: code, message: String(cString: mdb_strerror(code)))
  }
}
