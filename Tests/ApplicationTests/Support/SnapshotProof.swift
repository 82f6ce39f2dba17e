import BinaryCoding
import Domain
import EventLog
import Testing

@testable import Application

/// That a book which is cut anywhere, put aside as bytes and gone on with adds up to the same as one read in one go:
/// nothing that decides is missing from a snapshot. Those that are cut have room for three contacts in memory, so that
/// nearly everything passes through their file.
enum SnapshotProof {
  private static var narrow: ContactMemory {
    var memory = ContactMemory(hotCount: 3, waitingBytes: 500)
    memory.segmentBytes = 4_000
    memory.slackBytes = 1_000
    return memory
  }

  static func check(
    _ log: any EventReader, _ org: Identifier, cuts: Int = 4, _ comment: String = "",
    at location: SourceLocation = #_sourceLocation
  ) throws {
    var events: [RecordedEvent] = []
    while true {
      let page = try log.readOrg(OrgID(org.value), from: UInt64(events.count), limit: 5_000)
      guard !page.isEmpty else { break }
      events += page
    }
    let expected = try BinaryCoding.canonicalBytes(
      of: try fold(events, into: OrgState(org: org), from: log))
    var dice = SplitMix64(seed: UInt64(events.count))
    for _ in 0..<cuts {
      let cut = Int.random(in: 0...events.count, using: &dice)
      let before = try fold(
        events.prefix(cut), into: OrgState(org: org, contacts: narrow), from: log)
      var pieces: [[UInt8]] = []
      try BinaryCoding.encode(before, pieceBytes: 1_000) { pieces.append($0) }
      var rest = pieces[...]
      let read = try BinaryCoding.decode(OrgState.self, context: narrow) { rest.popFirst() }
      let after = try fold(events.dropFirst(cut), into: read, from: log)
      #expect(
        try BinaryCoding.canonicalBytes(of: after) == expected,
        "\(comment) cut at \(cut) of \(events.count)", sourceLocation: location)
    }
  }

  private static func fold(
    _ events: some Sequence<RecordedEvent>, into state: OrgState, from log: any EventReader
  ) throws -> OrgState {
    var loader = OrgLoader(log: log)
    for event in events { try loader.fold(event, into: state) }
    loader.forget(in: state)
    try state.requireSound()
    return state
  }
}
