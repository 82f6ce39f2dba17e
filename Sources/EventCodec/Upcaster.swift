import JSON

/// Turns a payload of one schema version into the next one. Stored bytes stay as they are.
struct Upcaster: Sendable {
  let type: String
  /// The version that it reads; it produces the one after.
  let version: UInt16
  /// Part 0 and, unless erased, the personal part: fields in the order of the newer version.
  let upcast: @Sendable (_ fields: inout JSONObject, _ personal: inout JSONObject?) -> Void

  /// Every step there is. All types are at their first version.
  static let all: [Upcaster] = []
}

/// The steps from every old version of every type to its newest one, without a gap.
struct UpcasterChain: Sendable {
  struct Gap: Error, Equatable, CustomStringConvertible {
    let type: String
    let version: UInt16

    var description: String { "\(type) needs exactly one upcaster from version \(version)" }
  }

  private let newest: [String: UInt16]
  private let steps: [String: [Upcaster]]
  /// Nothing to look up while every type is at version 1.
  private let isTrivial: Bool

  /// - Throws: `Gap` where a version has no step or two, or a step starts from a version that is not
  ///   older than the type's newest.
  init(_ all: [Upcaster], types: [EventType]) throws(Gap) {
    let grouped = Dictionary(grouping: all, by: \.type).mapValues {
      $0.sorted { $0.version < $1.version }
    }
    var newest: [String: UInt16] = [:]
    for type in types {
      newest[type.name] = type.schemaVersion
      try Self.check(grouped[type.name] ?? [], reach: type)
    }
    for step in all where newest[step.type] == nil {
      throw Gap(type: step.type, version: step.version)
    }
    self.newest = newest
    steps = grouped
    isTrivial = types.allSatisfy { $0.schemaVersion == 1 }
  }

  private static func check(_ steps: [Upcaster], reach type: EventType) throws(Gap) {
    for version in 1..<max(type.schemaVersion, 1) {
      guard steps.count(where: { $0.version == version }) == 1 else {
        throw Gap(type: type.name, version: version)
      }
    }
    guard steps.count == Int(type.schemaVersion) - 1 else {
      throw Gap(type: type.name, version: type.schemaVersion)
    }
  }

  /// Brings the payloads of `version` to the newest version; leaves those that are there alone.
  func upcast(
    _ fields: inout [UInt8], personal: inout [UInt8]?, type: String, version: UInt16
  ) throws(CodecError) {
    if isTrivial, version == 1 { return }
    guard version >= 1, let newest = newest[type], version <= newest else {
      throw .unsupportedVersion(type: type, version: version)
    }
    guard version < newest, let steps = steps[type] else { return }
    var shared = try Self.object(fields, type: type)
    var own: JSONObject?
    if let personal { own = try Self.object(personal, type: type) }
    for step in steps where step.version >= version { step.upcast(&shared, &own) }
    fields = JSON.object(shared).bytes(.stored)
    personal = own.map { JSON.object($0).bytes(.stored) }
  }

  private static func object(_ bytes: [UInt8], type: String) throws(CodecError) -> JSONObject {
    guard let object = (try? JSON(parsing: bytes))?.object else {
      throw .invalidField(type: type, field: "{}")
    }
    return object
  }
}
