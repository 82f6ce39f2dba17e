import LMDB

// What `EventReader` asks for, on the tables. Both `LMDBEventLog` and `LMDBLogReader` answer with it.

extension LogStore {
  /// How far one `read` looks without a match before it returns.
  static let maxScanCount: UInt64 = 262_144

  /// Asked for with every read of the API: the vault, of which it says nothing, is not looked at.
  func head() throws(EventLogError) -> UInt64 {
    try mappingErrors {
      try requireOpen()
      return try environment.read { try head($0) }
    }
  }

  /// The head on opening, not before what `word` says was acknowledged. Where the last block is damaged, its first
  /// position: what comes before it can be read.
  func openingHead(_ word: WakeWord) throws(EventLogError) -> UInt64 {
    // Read first: the head only grows.
    let acknowledged = word.acknowledgedHead
    let head: UInt64
    do throws(EventLogError) {
      head = try self.head()
    } catch .corrupted(let position, _) where position > 0 {
      return position
    }
    guard head >= acknowledged else {
      throw .corrupted(
        position: head + 1, reason: "the log ends before \(acknowledged), which was acknowledged")
    }
    return head
  }

  func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    // Nothing comes after the last number there is.
    guard position < .max else { return Page(events: [], scannedTo: position) }
    return try mappingErrors {
      try reading { transaction throws in
        var page = PageBuilder(after: position, limit: limit, filter: filter)
        try transaction.scan(blocks, fromAtOrBelow: position + 1) { key, block in
          try page.take(block, key: key, store: self)
        }
        return Page(events: page.events, scannedTo: page.scannedTo)
      }
    }
  }

  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    guard limit > 0 else { return [] }
    let key = StreamKey(org: org, stream: stream)
    return try mappingErrors {
      try reading { transaction throws in
        let view = try view(transaction)
        try requireSound(org, view.tail, transaction)
        switch direction {
        case .forwards:
          return try forwards(key, from: max(version, 1), limit: limit, view, transaction)
        case .backwards:
          return try backwards(key, from: version, limit: limit, view, transaction)
        }
      }
    }
  }

  func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    guard limit > 0 else { return [] }
    return try mappingErrors {
      try reading { transaction throws in
        let view = try view(transaction)
        try requireSound(org, view.tail, transaction)
        return try events(
          hash.org(org), from: orgSequence, limit: limit, .growingInMostRuns, view, transaction,
          number: \.orgSequence, { $0.org == org })
      }
    }
  }

  func orgCounts() throws(EventLogError) -> [OrgID: UInt64] {
    try mappingErrors {
      try reading { transaction throws in
        var counts: [OrgID: UInt64] = [:]
        try transaction.scan(orgs) { key, value in
          let record = try OrgRecord(value, key: key)
          counts[record.org] = record.nextSequence
        }
        // LMDB's pages have no checksums: one that lost an entry still counts it.
        guard try counts.count == transaction.entryCount(in: orgs) else {
          throw EventLogError.corrupted(position: 0, reason: "a record of an org is missing")
        }
        let view = try view(transaction)
        try requireSound(view.tail)
        for org in counts.keys { try requireIndexed(org, view, transaction) }
        for (org, next) in view.tail.nextSequences { counts[org] = next }
        return counts
      }
    }
  }

  /// The key of a record is not covered by its checksum; the index knows every org that has events.
  private func requireIndexed(
    _ org: OrgID, _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws {
    var isKnown = false
    try forEachEntryBackwards(hash.org(org), atOrBelow: .max, view, transaction) { _ in
      isKnown = true
      return false
    }
    guard isKnown else {
      throw EventLogError.corrupted(
        position: 0, reason: "the record of an org is under another key")
    }
  }

  func receipt(
    org: OrgID, key: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try mappingErrors {
      try reading { transaction throws in
        let view = try view(transaction)
        try requireSound(org, view.tail, transaction)
        return try receipt(
          name: RequestName.hash(org: org, name: key.name), of: key, view, transaction)
      }
    }
  }

  func receipt(
    name: UInt128, of key: IdempotencyKey, _ view: IndexView,
    _ transaction: borrowing ReadTransaction
  ) throws -> Receipt? {
    var found: Receipt?
    try forEachEntryBackwards(hash.request(name), atOrBelow: .max, view, transaction) { entry in
      let directory = try directory(at: entry.position, transaction)
      guard let (ordinal, request) = directory.request(name, near: entry.detail) else {
        return true
      }
      guard key.fits(request.fingerprint) else { throw EventLogError.idempotencyMismatch }
      found = directory.receipt(of: ordinal)
      return false
    }
    return found
  }

  /// The stream's last version; 0 where it has no events.
  func version(
    of key: StreamKey, _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    var version: UInt64 = 0
    let streamHash = hash.stream(key.stream, org: key.org)
    try forEachEntryBackwards(streamHash, atOrBelow: .max, view, transaction) { entry in
      // Not the entry's: that may be of another stream of the block with the same hash.
      guard let last = try directory(at: entry.position, transaction).lastVersion(of: key) else {
        return true
      }
      version = last
      return false
    }
    return version
  }
}

// MARK: - By stream and by org

extension LogStore {
  private func forwards(
    _ key: StreamKey, from version: UInt64, limit: Int, _ view: IndexView,
    _ transaction: borrowing ReadTransaction
  ) throws -> [RecordedEvent] {
    try events(
      hash.stream(key.stream, org: key.org), from: version, limit: limit, .growing, view,
      transaction,
      number: \.streamVersion, { $0.org == key.org && $0.stream == key.stream })
  }

  /// The events that match, numbered without a gap from `first` on.
  private func events(
    _ hash: UInt64, from first: UInt64, limit: Int, _ search: EntrySearch, _ view: IndexView,
    _ transaction: borrowing ReadTransaction, number: (RecordedEvent) -> UInt64,
    _ matches: (EventIdentity) -> Bool
  ) throws -> [RecordedEvent] {
    for search in [search, .everywhere] {
      var events: [RecordedEvent] = []
      var seenThrough: UInt64 = 0
      try forEachEntry(
        hash, detail: first, search, view, transaction
      ) { entry in
        guard entry.position > seenThrough else { return true }
        let block = try block(at: entry.position, transaction)
        seenThrough = block.directory.header.lastPosition
        try block.forEachPlace { place in
          guard matches(block.directory.identity(of: place)) else { return true }
          let event = try block.event(at: place)
          if number(event) >= first { events.append(event) }
          return events.count < limit
        }
        return events.count < limit
      }
      let isGapless = events.indices.allSatisfy { number(events[$0]) == first + UInt64($0) }
      if isGapless { return events }
    }
    throw EventLogError.corrupted(position: 0, reason: "a stream or an org's book has a gap")
  }

  private func backwards(
    _ key: StreamKey, from version: UInt64, limit: Int, _ view: IndexView,
    _ transaction: borrowing ReadTransaction
  ) throws -> [RecordedEvent] {
    guard version > 0 else { return [] }
    for search in [EntrySearch.growing, .everywhere] {
      let start = try blockReaching(version, of: key, search, view, transaction)
      let events = try backwards(
        key, from: version, atOrBelow: start, limit: limit, view, transaction)
      let top = events.first?.streamVersion ?? 0
      let isComplete =
        try top == version || top == self.version(of: key, view, transaction)
      let isGapless = zip(events, events.dropFirst()).allSatisfy {
        $0.streamVersion == $1.streamVersion + 1
      }
      if isComplete, isGapless { return events }
    }
    throw EventLogError.corrupted(position: 0, reason: "a stream has a gap")
  }

  /// The block that holds `version`: the first one whose last version reaches it. `.max` where the
  /// stream does not reach so far.
  private func blockReaching(
    _ version: UInt64, of key: StreamKey, _ search: EntrySearch, _ view: IndexView,
    _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    var start = UInt64.max
    try forEachEntry(
      hash.stream(key.stream, org: key.org), detail: version, search, view, transaction
    ) { entry in
      // The entry may be of another stream of the block with the same hash.
      guard let last = try directory(at: entry.position, transaction).lastVersion(of: key),
        last >= version
      else { return true }
      start = entry.position
      return false
    }
    return start
  }

  private func backwards(
    _ key: StreamKey, from version: UInt64, atOrBelow start: UInt64, limit: Int,
    _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    var seenFrom = UInt64.max
    let streamHash = hash.stream(key.stream, org: key.org)
    try forEachEntryBackwards(streamHash, atOrBelow: start, view, transaction) { entry in
      guard entry.position < seenFrom else { return true }
      let block = try block(at: entry.position, transaction)
      seenFrom = block.directory.header.firstPosition
      var found: [RecordedEvent] = []
      try block.forEachPlace { place in
        let identity = block.directory.identity(of: place)
        if identity.org == key.org, identity.stream == key.stream, place.streamVersion <= version {
          found.append(try block.event(at: place))
        }
        return true
      }
      events.append(contentsOf: found.reversed().prefix(limit - events.count))
      return events.count < limit
    }
    return events
  }
}

/// Whose an event is.
struct EventIdentity {
  let org: OrgID
  let stream: StreamID
}

extension BlockDirectory {
  func identity(of place: EventPlace) -> EventIdentity {
    EventIdentity(
      org: orgs[commits[place.commitOrdinal].orgIndex].id,
      stream: streams[events[place.ordinal].streamIndex].id)
  }

  /// nil where the block has no event of the stream.
  func lastVersion(of key: StreamKey) -> UInt64? {
    guard
      let index = streams.firstIndex(where: {
        $0.id == key.stream && orgs[$0.orgIndex].id == key.org
      })
    else { return nil }
    let eventCount = events.count { $0.streamIndex == index }
    return streams[index].versionBefore &+ UInt64(eventCount)
  }
}

// MARK: - By position

/// Collects a page block by block.
private struct PageBuilder {
  let after: UInt64
  let limit: Int
  let filter: EventFilter
  private let orgHash: UInt64?
  private let typeHashes: [UInt64]?
  private(set) var events: [RecordedEvent] = []
  private(set) var scannedTo: UInt64
  private var next: UInt64?

  init(after: UInt64, limit: Int, filter: EventFilter) {
    self.after = after
    self.limit = max(limit, 1)
    self.filter = filter
    scannedTo = after
    orgHash = filter.org.map(SkipFilter.hash(of:))
    typeHashes = filter.types.map { $0.map(SkipFilter.hash(of:)) }
  }

  /// Takes what matches from a block; false once the page is done. A damaged block ends the page, so that what comes
  /// before it can be read; the next page begins with it, and fails.
  mutating func take(_ block: RawSpan, key: UInt64, store: LogStore) throws -> Bool {
    let (before, count) = (scannedTo, events.count)
    do {
      return try takeSound(block, key: key, store: store)
    } catch EventLogError.corrupted where before > after {
      scannedTo = before
      events.removeLast(events.count - count)
      return false
    }
  }

  private mutating func takeSound(
    _ block: RawSpan, key: UInt64, store: LogStore
  ) throws -> Bool {
    let header = try BlockHeader(block, key: key)
    guard next.map({ $0 == key }) ?? (key <= after + 1) else {
      throw EventLogError.corrupted(position: next ?? after + 1, reason: "no such block")
    }
    next = header.lastPosition + 1
    guard header.lastPosition > after else { return true }
    guard events.count < limit, key <= after || key - after <= LogStore.maxScanCount else {
      return false
    }
    if isExcluded(header) {
      try BlockHeader.checkSum(of: block, key: key)
      scannedTo = header.lastPosition
      return true
    }
    try take(try store.loadRecent(block, header: header))
    return events.count < limit
  }

  private func isExcluded(_ header: BlockHeader) -> Bool {
    if let orgHash, !header.orgFilter.mayContain(orgHash) { return true }
    if let typeHashes, !typeHashes.contains(where: { header.typeFilter.mayContain($0) }) {
      return true
    }
    return false
  }

  private mutating func take(_ block: LoadedBlock) throws {
    let directory = block.directory
    let isWantedOrg = directory.orgs.map { filter.org == nil || filter.org == $0.id }
    let isWantedType = directory.types.map { filter.types?.contains($0) ?? true }
    if filter.types == nil, limit - events.count >= directory.events.count {
      try block.opener.prepare(filter.org)
    }
    try block.forEachPlace { place in
      let commit = directory.commits[place.commitOrdinal]
      if place.ordinal == commit.firstEvent, events.count >= limit { return false }
      let position = directory.header.firstPosition + UInt64(place.ordinal)
      guard position > after else { return true }
      if isWantedOrg[commit.orgIndex],
        isWantedType[directory.events[place.ordinal].typeIndex]
      {
        events.append(try block.event(at: place))
      }
      scannedTo = position
      return true
    }
  }
}
