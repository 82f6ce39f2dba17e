/// A text that ends in 128 bits written out (request ids do), taken apart: the digits cost 16 bytes
/// instead of 26 or 36 that hardly compress.
enum PackedText {
  /// The low two bits of a text's code in the directory.
  enum Form: Int {
    case whole = 0
    /// Ends in a UUID in lower case.
    case uuid = 1
    /// Ends in 26 digits of Crockford's base 32 in lower case.
    case base32 = 2
  }

  private static let base32Alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  private static let uuidCount = 36
  private static let base32Count = 26
  private static let base32Values = values(of: base32Alphabet)

  /// 0xff: not a digit.
  private static func values(of digits: [UInt8]) -> [UInt8] {
    var values = [UInt8](repeating: 0xff, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }

  /// What comes before the digits, and their value; `unpack` gives back the same text.
  static func pack(_ text: String) -> (form: Form, prefix: String, value: UInt128) {
    var text = text
    let found = text.withUTF8 { bytes -> (Form, String, UInt128)? in
      if let value = unsafe uuid(bytes) { return unsafe (.uuid, prefix(bytes, uuidCount), value) }
      if let value = unsafe base32(bytes) {
        return unsafe (.base32, prefix(bytes, base32Count), value)
      }
      return nil
    }
    return found ?? (.whole, text, 0)
  }

  static func unpack(_ form: Form, prefix: String, value: UInt128) -> String {
    let digitCount: Int
    switch form {
    case .whole: return prefix
    case .uuid: digitCount = uuidCount
    case .base32: digitCount = base32Count
    }
    let high = UInt64(truncatingIfNeeded: value >> 64)
    let low = UInt64(truncatingIfNeeded: value)
    // In place: it is done for every commit that is read.
    return unsafe String(unsafeUninitializedCapacity: prefix.utf8.count + digitCount) { buffer in
      var offset = 0
      for byte in prefix.utf8 {
        unsafe buffer[offset] = byte
        offset &+= 1
      }
      let digits = unsafe UnsafeMutableBufferPointer(rebasing: buffer[offset..<offset + digitCount])
      if form == .uuid {
        unsafe writeUUID(high, low, to: digits)
      } else {
        unsafe writeBase32(high, low, to: digits)
      }
      return offset + digitCount
    }
  }

  /// Eight digits at a time: every commit that is read has a text or two like this.
  private static func writeUUID(
    _ high: UInt64, _ low: UInt64, to digits: UnsafeMutableBufferPointer<UInt8>
  ) {
    let text = UnsafeMutableRawBufferPointer(digits)
    let second = hexDigits(UInt32(truncatingIfNeeded: high))
    let third = hexDigits(UInt32(truncatingIfNeeded: low >> 32))
    unsafe text.storeBytes(of: hexDigits(UInt32(high >> 32)).bigEndian, as: UInt64.self)
    for (offset, four) in [(9, second >> 32), (14, second), (19, third >> 32), (24, third)] {
      unsafe text.storeBytes(
        of: UInt32(truncatingIfNeeded: four).bigEndian, toByteOffset: offset, as: UInt32.self)
      unsafe text[offset - 1] = 0x2d
    }
    unsafe text.storeBytes(
      of: hexDigits(UInt32(truncatingIfNeeded: low)).bigEndian, toByteOffset: 28, as: UInt64.self)
  }

  /// The eight digits of `word` in ASCII, the first in the highest byte.
  private static func hexDigits(_ word: UInt32) -> UInt64 {
    // Each nibble to a byte of its own, by halves.
    var digits = UInt64(word)
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f
    // One in each byte that is ten or more, which is a letter: 0x27 lie between 9 and a.
    let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return digits &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
  }

  private static func writeBase32(
    _ high: UInt64, _ low: UInt64, to digits: UnsafeMutableBufferPointer<UInt8>
  ) {
    var high = high
    var low = low
    for index in stride(from: base32Count - 1, through: 0, by: -1) {
      unsafe digits[index] = base32Alphabet[Int(low & 31)]
      low = low &>> 5 | high &<< 59
      high = high &>> 5
    }
  }

  private static func prefix(_ bytes: UnsafeBufferPointer<UInt8>, _ digitCount: Int) -> String {
    unsafe String(decoding: bytes.dropLast(digitCount), as: UTF8.self)
  }

  private static func uuid(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt128? {
    guard bytes.count >= uuidCount else { return nil }
    let digits = unsafe UnsafeBufferPointer(rebasing: bytes[(bytes.count - uuidCount)...])
    guard unsafe digits[8] == 0x2d && digits[13] == 0x2d && digits[18] == 0x2d && digits[23] == 0x2d
    else { return nil }
    var (high, low) = (UInt64(0), UInt64(0))
    for index in 0..<uuidCount where index != 8 && index != 13 && index != 18 && index != 23 {
      let digit = unsafe hexValue(digits[index])
      guard digit < 16 else { return nil }
      high = high &<< 4 | low &>> 60
      low = low &<< 4 | UInt64(digit)
    }
    return UInt128(high) << 64 | UInt128(low)
  }

  /// 16 and more: not a digit in lower case.
  @inline(__always)
  private static func hexValue(_ byte: UInt8) -> UInt8 {
    let digit = byte &- 0x30
    if digit < 10 { return digit }
    let letter = byte &- 0x61
    return letter < 6 ? letter &+ 10 : 0xff
  }

  private static func base32(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt128? {
    guard bytes.count >= base32Count else { return nil }
    let start = bytes.count - base32Count
    // 26 digits are 130 bits: the first one holds three.
    guard unsafe base32Values[Int(bytes[start])] < 8 else { return nil }
    var value: UInt128 = 0
    for index in start..<bytes.count {
      let digit = unsafe base32Values[Int(bytes[index])]
      guard digit < 32 else { return nil }
      value = value << 5 | UInt128(digit)
    }
    return value
  }
}

/// A text as a block has it: put together when somebody asks for it.
struct StoredText {
  let form: PackedText.Form
  /// Among the block's texts.
  let prefix: Int
  let value: UInt128
}

/// What a block has of a commit's context. Without a reference: a block of a thousand commits is read by who asks for few.
struct StoredContext {
  /// Among the block's texts, as is `origin`.
  var actor = 0
  var origin = 0
  var correlation = StoredText(form: .whole, prefix: 0, value: 0)
  var causation: UInt64?
  var depth: UInt16 = 0
  var occurredAtMicros: Int64 = 0
}

/// Texts that the commits of a block share: each is in it once.
struct TextTable {
  private(set) var texts: [String] = []
  private var indexes: [String: Int] = [:]

  mutating func removeAll() {
    texts.removeAll(keepingCapacity: true)
    indexes.removeAll(keepingCapacity: true)
  }

  /// `guess`: the index of the one before it of its kind, which mostly is the same.
  private mutating func index(of text: String, guess: Int) -> Int {
    if guess < texts.count, texts[guess] == text { return guess }
    if let known = indexes[text] { return known }
    texts.append(text)
    indexes[text] = texts.count - 1
    return texts.count - 1
  }

  /// `before`: of the commit before.
  mutating func stored(_ context: CommitContext, before: StoredContext?) -> StoredContext {
    let packed = PackedText.pack(context.correlation)
    return StoredContext(
      actor: index(of: context.actor, guess: before?.actor ?? 0),
      origin: index(of: context.origin, guess: before?.origin ?? 0),
      correlation: StoredText(
        form: packed.form,
        prefix: index(of: packed.prefix, guess: before?.correlation.prefix ?? 0),
        value: packed.value),
      causation: context.causation, depth: context.depth,
      occurredAtMicros: context.occurredAtMicros)
  }
}
