/// What the index looks things up by: 48 bits of a seeded hash. Whoever finds an entry confirms it in
/// the block, so equal hashes of different things cost a look, never a wrong answer.
struct IndexHash {
  enum Kind: UInt64 {
    case stream = 0x73
    case org = 0x6f
    case request = 0x72
    case subject = 0x70
  }

  /// Random, per log: nobody outside can choose ids that collide.
  let seed: UInt64

  func stream(_ stream: StreamID, org: OrgID) -> UInt64 { hash(.stream, org.value, stream.value) }
  /// All 64 bits, for what is kept in memory only.
  func wide(_ key: StreamKey) -> UInt64 { mixed(.stream, key.org.value, key.stream.value) }
  /// Of the same stream.
  static func narrow(_ wide: UInt64) -> UInt64 { wide >> 16 }
  func org(_ org: OrgID) -> UInt64 { hash(.org, org.value, 0) }
  func subject(_ subject: SubjectID, org: OrgID) -> UInt64 {
    hash(.subject, org.value, subject.value)
  }
  /// Of an idempotency key, by the hash that a block stores of its name.
  func request(_ name: UInt128) -> UInt64 { hash(.request, name, 0) }

  /// Folded 128-bit products, as in wyhash.
  private func hash(_ kind: Kind, _ first: UInt128, _ second: UInt128) -> UInt64 {
    Self.narrow(mixed(kind, first, second))
  }

  private func mixed(_ kind: Kind, _ first: UInt128, _ second: UInt128) -> UInt64 {
    var state = seed ^ (kind.rawValue &* 0x9E37_79B9_7F4A_7C15)
    state = Self.fold(
      state ^ UInt64(truncatingIfNeeded: first),
      UInt64(truncatingIfNeeded: first >> 64) ^ 0xA076_1D64_78BD_642F)
    state = Self.fold(
      state ^ UInt64(truncatingIfNeeded: second),
      UInt64(truncatingIfNeeded: second >> 64) ^ 0xE703_7ED1_A0B4_28DB)
    return Self.fold(state, 0x8EBC_6AF0_9C88_C6E3)
  }

  private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
  }
}
