import BinaryCoding
import Domain

/// An org's contacts: what is kept of each, found by id, phone and email.
///
/// A contact has an ordinal, in order of creation. `memory.hotCount` of them, those that were used lately, are decoded;
/// all others are encoded, sealed, and in a file once there are many (`RecordFile`). Indexes and the few facts that are
/// asked of all of them stay in memory: about 70 bytes a contact.
///
/// A contact that cannot be read back is never taken for one that is not there: `fault` is set for good, changes end, and what
/// was asked since has no meaning. Whoever asks looks at `fault` before anything comes of the answer
/// (`OrgExecutor`, `BookLoader`, `SnapshotFolder`).
///
/// Not shared: one thread.
final class ContactTable {
  private struct Hot {
    var ordinal: UInt32
    var record: ContactRecord
    /// Where the file has the same; nil where it has not.
    var filed: RecordFile.Place?
    /// Since the hand passed by.
    var wasUsed = true
  }

  /// Where a contact is: the place in `hot`, with the highest bit set, or the one in the file.
  private struct Whereabouts {
    private static let hotBit: UInt64 = 1 << 63
    private let packed: UInt64

    init(hot slot: Int) { packed = Self.hotBit | UInt64(slot) }
    init(_ place: RecordFile.Place) { packed = place.packed }

    var slot: Int? { packed & Self.hotBit == 0 ? nil : Int(packed & ~Self.hotBit) }
    var place: RecordFile.Place { RecordFile.Place(packed: packed) }
  }

  private let memory: ContactMemory
  private let file: RecordFile
  private let output = BinaryOutput()

  // By ordinal.
  private var ids: [UInt128] = []
  private var whereabouts: [Whereabouts] = []
  private var marks: [ContactMarks] = []

  private var byID = OrdinalIndex()
  private var byPhone = OrdinalIndex()
  private var byEmail = OrdinalIndex()

  private var hot: [Hot] = []
  /// The next of `hot` that is looked at where one has to go.
  private var hand = 0

  /// Why nothing here can be believed any more.
  private(set) var fault: ContactFault?

  init(_ memory: ContactMemory = ContactMemory()) {
    self.memory = memory
    file = RecordFile(memory)
  }

  var count: Int { ids.count }

  /// What is encoded, in files and in memory, dead or not.
  var fileBytes: UInt64 { file.totalCount }
}

// MARK: - Asking

extension ContactTable {
  subscript(id: Identifier) -> ContactRecord? {
    guard let ordinal = ordinal(of: id), let slot = slot(of: ordinal) else { return nil }
    return hot[slot].record
  }

  /// Without a look at the record.
  func isErased(_ id: Identifier) -> Bool {
    ordinal(of: id).map { marks[Int($0)].contains(.erased) } ?? false
  }

  /// Those with this E.164 number, in order of creation.
  func contacts(withPhone phone: String) -> [Identifier] {
    contacts(byPhone.candidates(hash: phone.hashValue)) { $0.phone == phone }
  }

  /// Those with this email, in lower case, in order of creation.
  func contacts(withEmail email: String) -> [Identifier] {
    contacts(byEmail.candidates(hash: email.hashValue)) { $0.email?.lowercased() == email }
  }

  private func contacts(
    _ candidates: [UInt32], _ isMeant: (ContactDetails) -> Bool
  ) -> [Identifier] {
    candidates.compactMap { ordinal in
      guard let slot = slot(of: ordinal), isMeant(hot[slot].record.state.details) else {
        return nil
      }
      return id(of: ordinal)
    }
  }

  /// Those with neither phone nor email: only their names tell them apart. In order of their ids.
  var withoutAddress: [Identifier] {
    marks.indices.filter { marks[$0].isDisjoint(with: [.phone, .email, .erased]) }
      .map { id(of: UInt32($0)) }.sorted()
  }

  /// Those for whom an erasure was asked.
  var withErasure: [Identifier] {
    marks.indices.filter { marks[$0].contains(.erasure) }.map { id(of: UInt32($0)) }
  }

  /// All contacts, in no order: one pass over memory and one over the file. `body` asks nothing of this table.
  func forEach(_ body: (Identifier, ContactRecord) -> Void) {
    for entry in hot { body(id(of: entry.ordinal), entry.record) }
    guard hot.count < count else { return }
    noting { () throws(ContactFault) in
      try file.forEach(isLiving: isCold) { ordinal, bytes throws(ContactFault) in
        body(id(of: ordinal), try Self.decode(bytes))
      }
    }
  }
}

// MARK: - Changing

extension ContactTable {
  /// `note` changes what is kept beside the state. Returns whether there is nothing left to show of the person.
  @discardableResult
  func apply(
    _ event: Contact.Event, to id: Identifier, _ note: (inout ContactRecord) -> Void = { _ in }
  ) -> Bool {
    guard let ordinal = ordinalOrNew(of: id), let slot = slot(of: ordinal) else { return false }
    note(&hot[slot].record)
    let (before, after) = hot[slot].record.apply(event)
    noteChange(of: slot)
    index(ordinal, before, after)
    return after.marks.contains(.erased)
  }

  /// Changes what is kept beside the state.
  func note(_ id: Identifier, _ change: (inout ContactRecord) -> Void) {
    guard let ordinal = ordinalOrNew(of: id), let slot = slot(of: ordinal) else { return }
    change(&hot[slot].record)
    noteChange(of: slot)
  }

  private func noteChange(of slot: Int) {
    guard let place = hot[slot].filed else { return }
    file.forget(place)
    hot[slot].filed = nil
  }

  private func index(_ ordinal: UInt32, _ before: ContactHead?, _ after: ContactHead) {
    marks[Int(ordinal)] = after.marks
    if before?.phone != after.phone {
      before?.phone.map { byPhone.remove(ordinal, hash: $0.hashValue) }
      after.phone.map { byPhone.insert(ordinal, hash: $0.hashValue) }
    }
    if before?.email != after.email {
      before?.email.map { byEmail.remove(ordinal, hash: $0.lowercased().hashValue) }
      after.email.map { byEmail.insert(ordinal, hash: $0.lowercased().hashValue) }
    }
  }
}

// MARK: - Ordinals

extension ContactTable {
  private func id(of ordinal: UInt32) -> Identifier { Identifier(.contact, ids[Int(ordinal)]) }

  private func ordinal(of id: Identifier) -> UInt32? {
    let value = id.value
    return byID.first(hash: id.hashValue) { ids[Int($0)] == value }
  }

  private func ordinalOrNew(of id: Identifier) -> UInt32? {
    if let known = ordinal(of: id) { return known }
    guard fault == nil else { return nil }
    let ordinal = UInt32(ids.count)
    add(id, ContactMarks(), Whereabouts(hot: 0))
    admit(Hot(ordinal: ordinal, record: ContactRecord()))
    return ordinal
  }

  private func add(_ id: Identifier, _ itsMarks: ContactMarks, _ place: Whereabouts) {
    byID.insert(UInt32(ids.count), hash: id.hashValue)
    ids.append(id.value)
    marks.append(itsMarks)
    whereabouts.append(place)
  }
}

// MARK: - Hot and cold

extension ContactTable {
  /// Where the contact is in `hot`, after reading it where it was not; nil, with a fault, where that fails.
  private func slot(of ordinal: UInt32) -> Int? {
    guard fault == nil else { return nil }
    let place = whereabouts[Int(ordinal)]
    if let slot = place.slot {
      hot[slot].wasUsed = true
      return slot
    }
    return noting { () throws(ContactFault) in
      let bytes = try file.record(at: place.place, of: ordinal)
      return admit(Hot(ordinal: ordinal, record: try Self.decode(bytes), filed: place.place))
    }
  }

  @discardableResult
  private func admit(_ entry: Hot) -> Int {
    let slot = hot.count < memory.hotCount ? hot.count : freeSlot()
    var entry = entry
    // What it was read from may have been moved while room was made.
    if entry.filed != nil { entry.filed = whereabouts[Int(entry.ordinal)].place }
    if slot == hot.count { hot.append(entry) } else { hot[slot] = entry }
    whereabouts[Int(entry.ordinal)] = Whereabouts(hot: slot)
    return slot
  }

  /// The place of one that was not used since the hand came by last; a new one where none can go.
  private func freeSlot() -> Int {
    for _ in 0..<2 * hot.count {
      let slot = hand
      hand = hand + 1 == hot.count ? 0 : hand + 1
      if hot[slot].wasUsed {
        hot[slot].wasUsed = false
      } else if putAside(hot[slot]) {
        return slot
      }
    }
    return hot.count
  }

  /// False where it has to stay: it is longer than any record in a file may be, or there is a fault.
  private func putAside(_ entry: Hot) -> Bool {
    let filed =
      entry.filed
      ?? noting { () throws(ContactFault) in
        try file.append(try encode(entry.record), of: entry.ordinal)
      }.flatMap(\.self)
    guard let filed else { return false }
    whereabouts[Int(entry.ordinal)] = Whereabouts(filed)
    writeIfDue()
    return true
  }

  private func writeIfDue() {
    guard file.isDue else { return }
    noting { () throws(ContactFault) in
      try file.write(isLiving: isLiving) { ordinal, place in
        if let slot = whereabouts[Int(ordinal)].slot {
          hot[slot].filed = place
        } else {
          whereabouts[Int(ordinal)] = Whereabouts(place)
        }
      }
    }
  }

  /// Whether the record is what counts for the contact, and nothing newer is in memory.
  private func isCold(_ ordinal: UInt32, _ place: RecordFile.Place) -> Bool {
    let known = whereabouts[Int(ordinal)]
    return known.slot == nil && known.place == place
  }

  private func isLiving(_ ordinal: UInt32, _ place: RecordFile.Place) -> Bool {
    guard let slot = whereabouts[Int(ordinal)].slot else { return isCold(ordinal, place) }
    return hot[slot].filed == place
  }

  @discardableResult
  private func noting<Value>(_ body: () throws(ContactFault) -> Value) -> Value? {
    do throws(ContactFault) {
      return try body()
    } catch {
      fault = fault ?? error
      return nil
    }
  }

  private func encode(_ record: ContactRecord) throws(ContactFault) -> [UInt8] {
    do {
      try record.write(to: output)
      return output.take()
    } catch {
      throw .damaged
    }
  }

  private static func decode(_ bytes: [UInt8]) throws(ContactFault) -> ContactRecord {
    do {
      let input = BinaryInput(bytes)
      let record = try ContactRecord(from: input)
      guard try input.isAtEnd() else { throw ContactFault.damaged }
      return record
    } catch {
      throw .damaged
    }
  }
}

// MARK: - In a snapshot

/// Count; ids and records in order of creation. A record is copied as the bytes that it is kept as.
extension ContactTable: BinaryCodable {
  func write(to output: BinaryOutput) throws {
    output.put(varint: UInt64(count))
    for ordinal in ids.indices {
      ids[ordinal].write(to: output)
      output.put(try bytes(of: UInt32(ordinal)))
      try output.emitFull()
    }
    if let fault { throw fault }
  }

  private func bytes(of ordinal: UInt32) throws(ContactFault) -> [UInt8] {
    if let fault { throw fault }
    let place = whereabouts[Int(ordinal)]
    if let slot = place.slot { return try encode(hot[slot].record) }
    return try file.record(at: place.place, of: ordinal)
  }

  /// Into the memory that `input.context` names.
  convenience init(from input: BinaryInput) throws {
    self.init(input.context as? ContactMemory ?? ContactMemory())
    for _ in 0..<(try input.count()) {
      let id = Identifier(.contact, try UInt128(from: input))
      guard ordinal(of: id) == nil else { throw BinaryCodingError.malformed }
      try take(id, try input.byteArray())
    }
    if let fault { throw fault }
  }

  private func take(_ id: Identifier, _ bytes: [UInt8]) throws {
    let ordinal = UInt32(ids.count)
    let head = try ContactHead(from: BinaryInput(bytes))
    if hot.count >= memory.hotCount, let place = try file.append(bytes, of: ordinal) {
      add(id, head.marks, Whereabouts(place))
      writeIfDue()
    } else {
      let record = try Self.decode(bytes)
      add(id, head.marks, Whereabouts(hot: hot.count))
      hot.append(Hot(ordinal: ordinal, record: record))
    }
    index(ordinal, nil, head)
  }

  convenience init(from decoder: any Decoder) throws { throw BinaryCodingError.malformed }

  func encode(to encoder: any Encoder) throws { throw BinaryCodingError.malformed }
}
