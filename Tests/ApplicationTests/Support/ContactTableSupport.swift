import Domain
import Foundation
import Glibc
import ScratchFile
import Synchronization
import Testing

@testable import Application

extension Identifier {
  /// In order of `number`, and spread as ids are.
  static func contact(_ number: Int) -> Identifier {
    var dice = SplitMix64(seed: UInt64(number))
    return Identifier(.contact, millis: Int64(number), random: UInt128(dice.next()))
  }
}

extension Contact.Event {
  static func anybody(_ number: Int) -> Contact.Event {
    .created(
      details: .known(
        ContactDetails(
          firstName: "Person \(number)", email: "Person.\(number)@people.example",
          phone: "+1555\(String(format: "%07d", number))")), source: "test")
  }
}

/// What a table of contacts has to say, as a dictionary.
struct ContactModel {
  private(set) var records: [Identifier: ContactRecord] = [:]
  private(set) var order: [Identifier] = []

  mutating func apply(_ event: Contact.Event, to id: Identifier) {
    note(id) { $0.state = Contact.evolve($0.state, with: event) }
  }

  mutating func note(_ id: Identifier, _ change: (inout ContactRecord) -> Void) {
    if records[id] == nil { order.append(id) }
    change(&records[id, default: ContactRecord()])
  }

  func anyID(_ dice: inout SplitMix64) -> Identifier {
    .contact(Int.random(in: 0..<40, using: &dice))
  }

  private static let phones = (0..<12).map { "+1555000000\($0)" }
  private static let emails = ["a@x.example", "A@x.example", "É@x.example", "b@x.example"]

  private func details(_ dice: inout SplitMix64) -> ContactDetails {
    var details = ContactDetails(
      firstName: ["Zoë", "A", nil].randomElement(using: &dice) ?? nil,
      email: Bool.random(using: &dice) ? Self.emails.randomElement(using: &dice) : nil,
      phone: Bool.random(using: &dice) ? Self.phones.randomElement(using: &dice) : nil,
      rawPhone: Bool.random(using: &dice) ? "(555) 000" : nil)
    if Bool.random(using: &dice) {
      details.custom["plan"] = .text(
        String(repeating: "x", count: Int.random(in: 0..<90, using: &dice)))
      details.custom["age"] = .number(Double.random(in: 0...1, using: &dice))
      details.custom["vip"] = .flag(Bool.random(using: &dice))
    }
    return details
  }

  func anyEvent(of id: Identifier, _ dice: inout SplitMix64) -> Contact.Event {
    let channel = Channel.allCases.randomElement(using: &dice) ?? .sms
    guard records[id]?.state.exists == true else {
      let details: Personal<ContactDetails> =
        Int.random(in: 0..<20, using: &dice) == 0 ? .erased : .known(details(&dice))
      return .created(details: details, source: "test")
    }
    switch Int.random(in: 0..<10, using: &dice) {
    case 0:
      return .updated(
        fields: ["phone"],
        changes: .known([
          FieldChange(
            field: "phone", value: Self.phones.randomElement(using: &dice).map { .text($0) })
        ]))
    case 1:
      return .updated(
        fields: ["email"],
        changes: .known([
          FieldChange(
            field: "email", value: Self.emails.randomElement(using: &dice).map { .text($0) })
        ]))
    case 2: return .updated(fields: ["email"], changes: .known([.init(field: "email", value: nil)]))
    case 3: return .tagged(tag: "tag \(Int.random(in: 0..<9, using: &dice))")
    case 4: return .untagged(tag: "tag \(Int.random(in: 0..<9, using: &dice))")
    case 5:
      return .optedOut(
        OptOut(
          channel: channel, method: .keyword, address: .known("+15550000001"),
          scope: Bool.random(using: &dice) ? .seller : .channel))
    case 6:
      return .optedIn(
        Consent(
          channel: channel, purpose: Purpose.allCases.randomElement(using: &dice) ?? .marketing,
          method: .webForm, source: "test",
          grantedAtMicros: Int64.random(in: 0..<1 << 52, using: &dice), evidence: .erased,
          sender: Bool.random(using: &dice) ? "+15550000099" : nil))
    case 7:
      return .optOutSuspected(
        channel: channel, message: Identifier(.message, UInt128(dice.next())))
    case 8: return Bool.random(using: &dice) ? .archived : .restored
    default:
      guard Int.random(in: 0..<30, using: &dice) == 0 else { return .tagged(tag: "last") }
      return .erasureRequested(
        ErasureRequest(
          reason: .personAsked, by: "usr_1", atMicros: 5, addresses: .known([])))
    }
  }

  /// That `table` has all of this and nothing else, however it is asked.
  func check(_ table: ContactTable, _ comment: String) throws {
    try #require(table.count == order.count, "\(comment)")
    var seen: [Identifier: ContactRecord] = [:]
    table.forEach { id, record in
      #expect(seen.updateValue(record, forKey: id) == nil, "\(comment): \(id) came twice")
    }
    try #require(seen == records, "\(comment)")
    for id in order { try #require(table[id] == records[id], "\(comment)") }
    for phone in Self.phones {
      let expected = order.filter { records[$0]?.state.details.phone == phone }
      try #require(table.contacts(withPhone: phone) == expected, "\(comment)")
    }
    for email in Set(Self.emails.map { $0.lowercased() }) {
      let expected = order.filter { records[$0]?.state.details.email?.lowercased() == email }
      try #require(table.contacts(withEmail: email) == expected, "\(comment)")
    }
    let without = order.filter { id in
      guard let state = records[id]?.state else { return false }
      return state.details.phone == nil && state.details.email == nil && !state.isErased
    }
    try #require(table.withoutAddress == without.sorted(), "\(comment)")
    let erased = order.filter { records[$0]?.state.erasure != nil }
    try #require(table.withErasure == erased, "\(comment)")
  }
}

/// Files for tables that a test looks into and spoils.
final class TestFiles: Sendable {
  private struct State {
    var isDiskFull = false
    var isRefused = false
    /// What tables write to, and second descriptors of the same files.
    var made: [(theirs: Int32, ours: Int32)] = []
    var lines: [String] = []
  }

  private let state = Mutex(State())

  deinit { state.withLock { for file in $0.made { close(file.ours) } } }

  func memory(hotCount: Int) -> ContactMemory {
    var memory = ContactMemory(hotCount: hotCount, waitingBytes: 700) { [self] line in
      state.withLock { $0.lines.append(line) }
    }
    memory.segmentBytes = 6_000
    memory.slackBytes = 2_000
    memory.makeFile = { [self] () throws(ScratchFile.Failure) in try make() }
    return memory
  }

  private func make() throws(ScratchFile.Failure) -> Int32 {
    guard !state.withLock({ $0.isRefused }) else {
      throw ScratchFile.Failure(function: "open", errorNumber: EMFILE)
    }
    let made = try ScratchFile.makeFile(in: NSTemporaryDirectory())
    state.withLock { state in
      state.made.append((made, dup(made)))
      if state.isDiskFull { Self.fill(made) }
    }
    return made
  }

  /// Whatever is written to the descriptor from now on finds no space.
  private static func fill(_ descriptor: Int32) {
    let full = unsafe open("/dev/full", O_RDWR)
    dup2(full, descriptor)
    close(full)
  }

  var lines: [String] { state.withLock { $0.lines } }
  var madeCount: Int { state.withLock { $0.made.count } }

  /// No file can be made.
  var isRefused: Bool {
    get { state.withLock { $0.isRefused } }
    set { state.withLock { $0.isRefused = newValue } }
  }

  var isDiskFull: Bool {
    get { state.withLock { $0.isDiskFull } }
    set {
      state.withLock { state in
        state.isDiskFull = newValue
        for file in state.made {
          if newValue { Self.fill(file.theirs) } else { dup2(file.ours, file.theirs) }
        }
      }
    }
  }

  /// Nothing is left of any file.
  func cutOff() { state.withLock { for file in $0.made { ftruncate(file.ours, 0) } } }

  func overwrite() {
    let junk = [UInt8](repeating: 7, count: 100)
    state.withLock { state in
      for file in state.made {
        for place in 0..<60 { _ = unsafe pwrite(file.ours, junk, junk.count, off_t(place * 100)) }
      }
    }
  }

  /// All bytes of all files, one character a byte.
  var contents: String {
    state.withLock { state in
      state.made.map { file in
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe pread(file.ours, &bytes, bytes.count, 0)
        return String(
          decoding: bytes.prefix(max(0, count)).map { $0 < 128 ? $0 : 63 }, as: UTF8.self)
      }.joined()
    }
  }
}
