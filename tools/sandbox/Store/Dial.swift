import JSON

/// Faults by chance, on top of the numbers with a fixed fate. Rates are between 0 and 1.
struct Dial: Equatable, Sendable {
  /// Every answer of the API waits this long.
  var latencyMillis: Int64 = 0
  /// How many creations are answered with `errorStatus` and not taken.
  var errorRate = 0.0
  var errorStatus = 503
  /// How many creations are taken and then cut off without an answer.
  var lostAnswerRate = 0.0
  /// How many messages have each callback sent twice.
  var duplicateRate = 0.0
  /// How many messages have their callbacks sent last first.
  var reorderRate = 0.0
  /// Between one status of a message and the next.
  var callbackDelayMillis: Int64 = 50
  /// Whether SendGrid's Email Activity Feed stays empty, as it does for accounts of the EU region.
  var hasNoFeed = false
  /// Where chance begins: the same seed and the same requests give the same faults.
  var seed: UInt64 = 1

  static let maxDelayMillis: Int64 = 600_000

  /// The dial with the fields of `json` set; those it does not name stay.
  ///
  /// - Throws: `ControlError` that names the first field that is unknown or out of range.
  func updated(with json: JSON) throws(ControlError) -> Dial {
    guard let object = json.object else { throw ControlError("the dial is a JSON object") }
    var dial = self
    for (name, value) in object.fields { try dial.set(name, value) }
    return dial
  }

  private mutating func set(_ name: String, _ value: JSON) throws(ControlError) {
    switch name {
    case "latency_ms": latencyMillis = try Self.millis(name, value)
    case "error_rate": errorRate = try Self.rate(name, value)
    case "status":
      guard let status = value.int, (400...599).contains(status) else {
        throw ControlError("status is a number from 400 to 599")
      }
      errorStatus = Int(status)
    case "lost_answer_rate": lostAnswerRate = try Self.rate(name, value)
    case "duplicate_callbacks": duplicateRate = try Self.rate(name, value)
    case "reorder": reorderRate = try Self.rate(name, value)
    case "callback_delay_ms": callbackDelayMillis = try Self.millis(name, value)
    case "no_feed":
      guard let isEmpty = value.bool else { throw ControlError("no_feed is true or false") }
      hasNoFeed = isEmpty
    case "seed":
      guard let seed = value.int else { throw ControlError("seed is a whole number") }
      self.seed = UInt64(bitPattern: seed)
    default: throw ControlError("there is no fault called \(name)")
    }
  }

  private static func millis(_ name: String, _ value: JSON) throws(ControlError) -> Int64 {
    guard let millis = value.int, (0...maxDelayMillis).contains(millis) else {
      throw ControlError("\(name) is a number of milliseconds up to \(maxDelayMillis)")
    }
    return millis
  }

  /// A number from 0 to 1; true and false stand for always and never.
  private static func rate(_ name: String, _ value: JSON) throws(ControlError) -> Double {
    let rate = value.bool.map { $0 ? 1.0 : 0.0 } ?? value.double
    guard let rate, (0...1).contains(rate) else {
      throw ControlError("\(name) is a rate from 0 to 1")
    }
    return rate
  }

  var json: JSON {
    [
      "latency_ms": .int(latencyMillis), "error_rate": .double(errorRate),
      "status": .int(Int64(errorStatus)), "lost_answer_rate": .double(lostAnswerRate),
      "duplicate_callbacks": .double(duplicateRate), "reorder": .double(reorderRate),
      "callback_delay_ms": .int(callbackDelayMillis), "no_feed": .bool(hasNoFeed),
      "seed": .int(Int64(bitPattern: seed)),
    ]
  }
}

/// A request to the control API that cannot be followed, in words for whoever made it.
struct ControlError: Error, Equatable, Sendable {
  let message: String

  init(_ message: String) { self.message = message }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a seed gives the same sequence for ever.
struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// True in `rate` of all calls. Draws always, so that a rate of 0 leaves the sequence as it is.
  mutating func chance(_ rate: Double) -> Bool { Double.random(in: 0..<1, using: &self) < rate }
}
