import Domain
import Foundation
import Testing

@testable import Application

@Suite struct DeliveryBoardTests {
  private let endpoint = Identifier(.webhookEndpoint, 1)
  private let ann = Identifier(.contact, 2)
  private let bea = Identifier(.contact, 3)

  private func delivery(about people: Set<Identifier>?) -> DeliveryBoard.Delivery {
    DeliveryBoard.Delivery(
      event: Identifier(.event, 4), type: "contact.created", position: 5, attempt: 1, atMicros: 6,
      tookMillis: 7, url: "https://a.example/h", status: 200, error: nil, response: "Hello Ann",
      isRedelivery: false, isBackfill: true,
      style: WebhookEndpoint.Style(payload: .thin, format: .cloudEvents), people: people)
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "deliveries-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  private func answers(_ board: DeliveryBoard) -> [String] {
    board.deliveries(of: endpoint).map(\.delivery.response)
  }

  @Test func `a delivery is known after a restart as it was`() throws {
    try withFolder { folder in
      let board = DeliveryBoard()
      try board.keep(in: folder)
      try board.note(delivery(about: [ann]), of: endpoint)
      let next = DeliveryBoard()
      try next.keep(in: folder)
      #expect(next.deliveries(of: endpoint).map(\.delivery) == [delivery(about: [ann])])
    }
  }

  @Test func `a torn line takes nothing along that comes after it`() throws {
    try withFolder { folder in
      let board = DeliveryBoard()
      try board.keep(in: folder)
      try board.note(delivery(about: [ann]), of: endpoint)
      let path = "\(folder)/\(endpoint).deliveries"
      let whole = try #require(FileManager.default.contents(atPath: path))
      // What a full disk leaves of the next.
      #expect(FileManager.default.createFile(atPath: path, contents: whole + whole.prefix(40)))
      try board.note(delivery(about: [bea]), of: endpoint)
      let next = DeliveryBoard()
      try next.keep(in: folder)
      #expect(next.deliveries(of: endpoint).map(\.delivery.people) == [[ann], [bea]])
    }
  }

  @Test func `what was answered about somebody goes with them, from the disk too`() throws {
    try withFolder { folder in
      let board = DeliveryBoard()
      try board.keep(in: folder)
      board.load(endpoint)
      // One more than a file has: the older one is rewritten as well.
      try board.note(delivery(about: [ann, bea]), of: endpoint)
      for _ in 0..<DeliveryArchive.lineLimit {
        try board.note(delivery(about: [bea]), of: endpoint)
      }
      try board.note(delivery(about: nil), of: endpoint)
      try board.forgetAnswers(about: [ann], to: [endpoint])
      // What was under way meanwhile.
      try board.note(delivery(about: [ann]), of: endpoint)
      let expected =
        [""] + Array(repeating: "Hello Ann", count: DeliveryArchive.lineLimit) + ["", ""]
      #expect(answers(board) == expected)
      let next = DeliveryBoard()
      try next.keep(in: folder)
      #expect(answers(next) == expected.suffix(DeliveryArchive.lineLimit))
      let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(
        files == ["deliveries.key", "\(endpoint).deliveries", "\(endpoint).deliveries.1"].sorted())
      // The numbers go on where they were.
      #expect(next.deliveries(of: endpoint).last?.number == DeliveryArchive.lineLimit + 3)
    }
  }
}
