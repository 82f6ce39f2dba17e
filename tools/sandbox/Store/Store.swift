import Crypto
import Synchronization

/// The world and its journal: every change is written first, then known.
final class Store: Sendable {
  private struct Locked: ~Copyable {
    var world = World()
    /// Nil once the sandbox has stopped.
    var journal: Journal?

    mutating func append(_ records: [Record]) throws(SandboxError) {
      guard journal != nil else { throw .stopped }
      try journal?.append(records.flatMap(\.line))
    }
  }

  private let locked: Mutex<Locked>

  /// Reads what an earlier sandbox left in `directory`.
  init(directory: String) throws(SandboxError) {
    let journal = try Journal(directory: directory)
    var world = World()
    for (index, line) in try journal.readLines().enumerated() {
      guard let record = Record(line: line) else { throw .journalDamaged(line: index + 1) }
      world.apply(record)
    }
    locked = Mutex(Locked(world: world, journal: journal))
  }

  func read<Value>(_ body: (borrowing World) -> sending Value) -> sending Value {
    locked.withLock { body($0.world) }
  }

  /// Lets `body` decide on the world as it is; what it records is in the journal and in the world
  /// when this returns.
  ///
  /// - Throws: `SandboxError` where the journal cannot be written: nothing was recorded.
  func record<Value: Sendable>(
    _ body: (inout World) -> (records: [Record], value: Value)
  ) throws(SandboxError) -> Value {
    try locked.withLock { locked throws(SandboxError) in
      let (records, value) = body(&locked.world)
      if !records.isEmpty {
        try locked.append(records)
        for record in records { locked.world.apply(record) }
      }
      return value
    }
  }

  /// The sandbox's own time.
  func nowMillis() -> Int64 { read { $0.nowMillis } }

  /// Lets another sandbox have the directory. Whatever is recorded after it throws `.stopped`.
  func close() { locked.withLock { $0.journal = nil } }

  /// Forgets every message, opt-out and fault; keeps the accounts.
  func reset() throws(SandboxError) {
    try locked.withLock { locked throws(SandboxError) in
      let accounts =
        locked.world.accounts.values.map { Record.accountRegistered($0) }
        + (locked.world.documents[.mailAccount] ?? [:]).map {
          Record.documentSet(.mailAccount, id: $0.key, $0.value)
        }
        + (locked.world.documents[.paymentAccount] ?? [:]).map {
          Record.documentSet(.paymentAccount, id: $0.key, $0.value)
        }
      try locked.journal?.removeAll()
      locked.world = World()
      try locked.append(accounts)
      for record in accounts { locked.world.apply(record) }
    }
  }
}

/// A sid in Twilio's form: two letters and 32 hexadecimal digits.
func makeSID(_ prefix: String) -> String { prefix + Hex.encode(Random.bytes(16)) }
