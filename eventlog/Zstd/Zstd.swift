// The only file that calls zstd. Callers see arrays, spans and `ZstdError`. Source of the rules
// relied upon: zstd.h, 1.5.4.

import CZstd

/// A zstd call that failed: which one, and zstd's words for it.
package struct ZstdError: Error, Equatable, CustomStringConvertible {
  package let function: String
  package let message: String

  package var description: String { "\(function): \(message)" }
}

/// How hard a compressor looks for what repeats.
package enum CompressionEffort: Sendable {
  /// 1 (fast) to 19 (small).
  case level(Int32)
  /// For what is written once and for all. Finds what level 15 finds on blocks of events with a fifth of the work: it looks
  /// at two candidates instead of 64, and at none that shares less than six bytes, which here are digits of ids. One
  /// event's payload in a block of 1,024: level 1 0.2 µs and 18.6 bytes, level 15 16.7 µs and 17.6, this 3.2 µs and 17.8.
  case resting

  fileprivate var parameters: [(ZSTD_cParameter, Int32)] {
    switch self {
    case .level(let level): [(ZSTD_c_compressionLevel, level)]
    case .resting:
      [
        (ZSTD_c_compressionLevel, 15), (ZSTD_c_strategy, Int32(ZSTD_btopt.rawValue)),
        (ZSTD_c_searchLog, 1), (ZSTD_c_minMatch, 6), (ZSTD_c_targetLength, 64),
      ]
    }
  }
}

/// Compresses frame after frame with one context: making one costs more than a small block.
///
/// Not `Sendable`: a context belongs to one thread at a time.
@safe
package struct Compressor: ~Copyable {
  private let context: OpaquePointer
  /// Where frames are made: as large as the largest one needed.
  private var frame: [UInt8] = []

  package init(_ effort: CompressionEffort) {
    guard let made = unsafe ZSTD_createCCtx() else { preconditionFailure("out of memory") }
    unsafe context = made
    for (parameter, value) in effort.parameters { set(parameter, to: value) }
    // Blocks carry a checksum over everything and the size of the content: not twice.
    set(ZSTD_c_checksumFlag, to: 0)
    set(ZSTD_c_contentSizeFlag, to: 0)
    // Whoever stores a frame stores beside it which dictionary made it.
    set(ZSTD_c_dictIDFlag, to: 0)
  }

  deinit { unsafe ZSTD_freeCCtx(context) }

  private func set(_ parameter: ZSTD_cParameter, to value: Int32) {
    let code = unsafe ZSTD_CCtx_setParameter(context, parameter, value)
    precondition(ZSTD_isError(code) == 0, "a parameter within its documented range")
  }

  /// Uses `dictionary` for the frames that follow; nil for none.
  package mutating func use(_ dictionary: CompressionDictionary?) throws(ZstdError) {
    let code = unsafe ZSTD_CCtx_refCDict(context, dictionary?.handle)
    try check("ZSTD_CCtx_refCDict", code)
  }

  /// Appends the frame for `input` to `output` and returns its size.
  package mutating func compress(
    _ input: RawSpan, appendingTo output: inout [UInt8]
  ) throws(ZstdError) -> Int {
    let count = try compress(input)
    output.append(contentsOf: frame[..<count])
    return count
  }

  /// Leaves the frame in `frame` and returns its size.
  private mutating func compress(_ input: RawSpan) throws(ZstdError) -> Int {
    let bound = ZSTD_compressBound(input.byteCount)
    if frame.count < bound { frame = [UInt8](repeating: 0, count: bound) }
    let code = unsafe input.withUnsafeBytes { source in
      unsafe frame.withUnsafeMutableBytes { target in
        unsafe ZSTD_compress2(
          context, target.baseAddress, target.count, source.baseAddress, source.count)
      }
    }
    try check("ZSTD_compress2", code)
    return code
  }
}

/// A frame of one compressed block without its first nine bytes, which are always the same but for the
/// block's size: small content would pay dearly for them.
/// Source: RFC 8878, 3.1.1: magic number (4), frame header descriptor 0, window descriptor, block header (3).
package enum BareBlock {
  /// What one block may hold (RFC 8878, 3.1.1.2.4).
  package static let maxContentBytes = 64 << 10
  fileprivate static let headerBytes = 9
  private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
  /// 128 KiB: more than the content, so that it fits whatever the frame said.
  private static let windowDescriptor: UInt8 = 7 << 3

  /// The header of a block of `byteCount` bytes: the last one, compressed. Three bytes, the lowest first.
  private static func blockHeader(_ byteCount: Int) -> UInt32 {
    UInt32(byteCount) << 3 | 2 << 1 | 1
  }

  /// Whether the first `count` bytes of `frame` are a frame that `restore` gives back.
  fileprivate static func canStrip(_ frame: [UInt8], count: Int) -> Bool {
    guard count > headerBytes, frame[..<4] == magic[...], frame[4] == 0 else { return false }
    let bits = UInt32(frame[6]) | UInt32(frame[7]) << 8 | UInt32(frame[8]) << 16
    return bits == blockHeader(count - headerBytes)
  }

  /// In place of what `frame` held, whose memory is used again.
  fileprivate static func restore(_ block: RawSpan, to frame: inout [UInt8]) {
    frame.removeAll(keepingCapacity: true)
    frame.append(contentsOf: magic)
    frame.append(0)
    frame.append(windowDescriptor)
    let bits = blockHeader(block.byteCount)
    for shift: UInt32 in [0, 8, 16] { frame.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    unsafe block.withUnsafeBytes { unsafe frame.append(contentsOf: $0) }
  }
}

extension Compressor {
  /// Appends `input` as a bare block; false, and nothing appended, where it does not compress into one.
  package mutating func compressBare(
    _ input: RawSpan, appendingTo output: inout [UInt8]
  ) throws(ZstdError) -> Bool {
    guard input.byteCount <= BareBlock.maxContentBytes else { return false }
    let count = try compress(input)
    guard BareBlock.canStrip(frame, count: count) else { return false }
    output.append(contentsOf: frame[BareBlock.headerBytes..<count])
    return true
  }
}

extension Decompressor {
  /// The content of a bare block, which must have `byteCount` bytes.
  package mutating func decompressBare(
    _ input: RawSpan, byteCount: Int
  ) throws(ZstdError) -> [UInt8] {
    BareBlock.restore(input, to: &frame)
    let frame = frame
    return try unsafe decompress(frame.span.bytes, byteCount: byteCount)
  }
}

/// Decompresses frame after frame with one context.
@safe
package struct Decompressor: ~Copyable {
  private let context: OpaquePointer
  /// Of a bare block.
  fileprivate var frame: [UInt8] = []

  package init() {
    guard let made = unsafe ZSTD_createDCtx() else { preconditionFailure("out of memory") }
    unsafe context = made
  }

  deinit { unsafe ZSTD_freeDCtx(context) }

  /// Uses `dictionary` for the frames that follow; nil for none.
  package mutating func use(_ dictionary: DecompressionDictionary?) throws(ZstdError) {
    let code = unsafe ZSTD_DCtx_refDDict(context, dictionary?.handle)
    try check("ZSTD_DCtx_refDDict", code)
  }

  /// The content of the frame `input`, which must have `byteCount` bytes.
  package mutating func decompress(
    _ input: RawSpan, byteCount: Int
  ) throws(ZstdError) -> [UInt8] {
    var code = 0
    let output = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      code = unsafe input.withUnsafeBytes { source in
        unsafe ZSTD_decompressDCtx(
          context, target.baseAddress, target.count, source.baseAddress, source.count)
      }
      count = ZSTD_isError(code) == 0 ? code : 0
    }
    try check("ZSTD_decompressDCtx", code)
    guard output.count == byteCount else {
      throw ZstdError(function: "ZSTD_decompressDCtx", message: "another size than announced")
    }
    return output
  }
}

/// A dictionary made ready for compression at one level.
///
/// `@unchecked Sendable`: zstd only reads it once it is made (zstd.h, "Bulk processing dictionary API").
@safe
package final class CompressionDictionary: @unchecked Sendable {
  fileprivate let handle: OpaquePointer

  package init(_ bytes: [UInt8], level: Int32) {
    let made = unsafe bytes.withUnsafeBytes {
      unsafe ZSTD_createCDict($0.baseAddress, $0.count, level)
    }
    guard let made = unsafe made else { preconditionFailure("out of memory") }
    unsafe handle = made
  }

  deinit { unsafe ZSTD_freeCDict(handle) }
}

/// A dictionary made ready for decompression.
///
/// `@unchecked Sendable`: zstd only reads it once it is made.
@safe
package final class DecompressionDictionary: @unchecked Sendable {
  fileprivate let handle: OpaquePointer

  package init(_ bytes: [UInt8]) {
    let made = unsafe bytes.withUnsafeBytes { unsafe ZSTD_createDDict($0.baseAddress, $0.count) }
    guard let made = unsafe made else { preconditionFailure("out of memory") }
    unsafe handle = made
  }

  deinit { unsafe ZSTD_freeDDict(handle) }
}

/// A dictionary of at most `byteCount` bytes: the content is chosen from `samples`, the statistics are those
/// of `statistics`.
///
/// - Throws: `ZstdError` where there is too little to learn from (zdict.h asks for some hundred
///   samples, a hundred times the size of the dictionary in all).
package func trainDictionary(
  on samples: [[UInt8]], statistics: [[UInt8]], byteCount: Int, level: Int32
) throws(ZstdError) -> [UInt8] {
  // ZDICT_trainFromBuffer tries five lengths of segments (k) and compresses all samples with each: six times the work
  // for the same size. On parts of events: k 100, 200, 500, 900 gave 28.6, 28.4, 28.2, 28.4 bytes a part, its choice 28.2.
  var learning = ZDICT_fastCover_params_t()
  learning.k = 500
  learning.d = 8
  learning.f = 18
  learning.accel = 1
  learning.splitPoint = 1
  learning.zParams.compressionLevel = level
  let trained = try unsafe dictionary("ZDICT_trainFromBuffer_fastCover", byteCount, samples) {
    unsafe ZDICT_trainFromBuffer_fastCover(
      $0.baseAddress, $0.count, $1.baseAddress, $2.baseAddress, $3, learning)
  }
  let headerBytes = unsafe trained.withUnsafeBytes {
    unsafe ZDICT_getDictHeaderSize($0.baseAddress, $0.count)
  }
  let content = Array(trained.dropFirst(headerBytes))
  var parameters = ZDICT_params_t()
  parameters.compressionLevel = level
  return try unsafe dictionary(
    "ZDICT_finalizeDictionary", byteCount, statistics
  ) { target, joined, sizes, n in
    unsafe content.withUnsafeBytes { content in
      unsafe ZDICT_finalizeDictionary(
        target.baseAddress, target.count, content.baseAddress, content.count, joined.baseAddress,
        sizes.baseAddress, n, parameters)
    }
  }
}

private func dictionary(
  _ function: String, _ byteCount: Int, _ samples: [[UInt8]],
  _ make: (
    UnsafeMutableBufferPointer<UInt8>, UnsafeRawBufferPointer, UnsafeBufferPointer<Int>, UInt32
  ) -> Int
) throws(ZstdError) -> [UInt8] {
  let sizes = samples.map(\.count)
  let joined = Array(samples.joined())
  var code = 0
  let dictionary = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
    code = unsafe joined.withUnsafeBytes { joined in
      unsafe sizes.withUnsafeBufferPointer { sizes in
        unsafe make(target, joined, sizes, UInt32(sizes.count))
      }
    }
    count = ZDICT_isError(code) == 0 ? code : 0
  }
  guard ZDICT_isError(code) == 0 else {
    throw unsafe ZstdError(function: function, message: String(cString: ZDICT_getErrorName(code)))
  }
  return dictionary
}

private func check(_ function: String, _ code: Int) throws(ZstdError) {
  guard ZSTD_isError(code) == 0 else {
    throw unsafe ZstdError(function: function, message: String(cString: ZSTD_getErrorName(code)))
  }
}
