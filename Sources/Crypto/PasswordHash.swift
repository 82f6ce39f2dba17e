/// A password, stored so that guessing it stays expensive: scrypt (RFC 7914).
///
/// Text form: `scrypt$N$r$p$salt$hash`, numbers in decimal, salt and hash in unpadded url-safe
/// base64. The parameters travel with each hash, so they can be raised for new ones.
package enum PasswordHash {
  package struct Cost: Sendable, Equatable {
    package let n: UInt64
    package let r: UInt64
    package let p: UInt64

    package init(n: UInt64, r: UInt64, p: UInt64) {
      self.n = n
      self.r = r
      self.p = p
    }

    /// 32 MiB and about 0.3 s of one core. Source: OWASP Password Storage Cheat Sheet, whose
    /// equivalent settings run from N = 2^17, p = 1 to N = 2^13, p = 10.
    package static let standard = Cost(n: 1 << 15, r: 8, p: 3)
    /// For tests alone.
    package static let insecureForTests = Cost(n: 16, r: 8, p: 1)
  }

  private static let saltByteCount = 16
  private static let hashByteCount = 32
  /// What a stored hash may ask for: four times `Cost.standard`, so that a forged one cannot take
  /// all memory.
  private static let memoryLimitBytes: UInt64 = 130 << 20
  private static let parallelLimit: UInt64 = 16

  /// The text to store for `password`. Takes the CPU time of `cost`: not on a thread that others
  /// wait for.
  package static func make(
    _ password: String, cost: Cost = .standard
  ) throws(CryptoError) -> String {
    let salt = Random.bytes(saltByteCount)
    let hash = try derive(password, salt: salt, cost: cost)
    let fields = [
      "scrypt", "\(cost.n)", "\(cost.r)", "\(cost.p)", Base64.encodeURL(salt),
      Base64.encodeURL(hash),
    ]
    return fields.joined(separator: "$")
  }

  /// Whether `stored` was made from `password`. Takes as long as making it did.
  ///
  /// - Throws: `.malformedPasswordHash` where `stored` is no such text.
  package static func verify(
    _ password: String, against stored: String
  ) throws(CryptoError) -> Bool {
    let (cost, salt, hash) = try parse(stored)
    return constantTimeEqual(hash, try derive(password, salt: salt, cost: cost))
  }

  private static func parse(
    _ stored: String
  ) throws(CryptoError) -> (Cost, salt: [UInt8], hash: [UInt8]) {
    let fields = stored.split(separator: "$", omittingEmptySubsequences: false).map(String.init)
    guard
      fields.count == 6, fields[0] == "scrypt",
      let n = UInt64(fields[1]), let r = UInt64(fields[2]), let p = UInt64(fields[3]),
      (1...parallelLimit).contains(p), (1...64).contains(r), (2...(1 << 20)).contains(n),
      n & (n - 1) == 0, 128 * n * r + 128 * r * p <= memoryLimitBytes
    else { throw .malformedPasswordHash }
    let salt = try Base64.decodeURL(fields[4])
    let hash = try Base64.decodeURL(fields[5])
    guard salt.count >= 8, hash.count == hashByteCount else { throw .malformedPasswordHash }
    return (Cost(n: n, r: r, p: p), salt, hash)
  }

  private static func derive(
    _ password: String, salt: [UInt8], cost: Cost
  ) throws(CryptoError) -> [UInt8] {
    try scrypt(
      password: Array(password.utf8), salt: salt, n: cost.n, r: cost.r, p: cost.p,
      byteCount: hashByteCount, memoryLimitBytes: memoryLimitBytes)
  }
}
