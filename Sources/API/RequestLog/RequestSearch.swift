import Domain
import Foundation
import JSON

/// Looks for requests of an account, the newest first, a file at a time.
///
/// The files are those of all accounts, some hundred megabytes: lines are told by bytes that they have, as
/// `RequestTrace` writes them, and only those that have all of them are taken apart.
struct RequestSearch: Sendable {
  private let org: Identifier
  private let limit: Int
  /// The first is the rarest.
  private let marks: [BytePattern]

  /// At most `limit` requests: the one `id`, or those of the key `key`, or with the answer `status`.
  init(
    of org: Identifier, limit: Int, id: String? = nil, key: Identifier? = nil, status: Int64? = nil
  ) {
    self.org = org
    self.limit = limit
    // No value has such a mark in it: in JSON its quotes would have a backslash. A key that acts on a client has more
    // behind its id.
    let marks = [
      id.map { "\"id\":\"\($0)\"" }, "\"account\":\"\(org.text)\"",
      key.map { "\"actor\":\"key:\($0.text)" }, status.map { "\"status\":\($0)," },
    ]
    self.marks = marks.compactMap { $0.map { BytePattern(Array($0.utf8)) } }
  }

  /// Each file in a turn of its own, for the account `asker`: the first of anybody else comes before the second.
  ///
  /// - Throws: What reading throws, in the words of `fault`; what `right` does as soon as the caller has lost it;
  ///   `.clientGone`.
  func run(
    in log: RequestLog, _ lane: ScanLane, for asker: Identifier,
    right: @Sendable () throws(APIError) -> Void,
    fault: (any Error) -> APIError
  ) async throws(APIError) -> [JSON] {
    let numbers = try await turn(lane, asker, fault) { try log.numbersOfFiles() }
    var found: [JSON] = []
    for number in numbers where found.count < limit {
      try right()
      let count = found.count
      let more = try await turn(lane, asker, fault) {
        try log.contents(of: number).map { entries(in: $0, count) }
      }
      guard let more else { break }
      found += more
    }
    try right()
    return found
  }

  private func turn<Output: Sendable>(
    _ lane: ScanLane, _ asker: Identifier, _ fault: (any Error) -> APIError,
    _ body: @escaping @Sendable () throws -> Output
  ) async throws(APIError) -> Output {
    switch try await lane.run(for: asker, body) {
    case .success(let output): return output
    case .failure(let error): throw fault(error)
    case nil: throw .clientGone
    }
  }

  /// The newest first, as many as there is room for besides `foundCount`.
  private func entries(in data: Data, _ foundCount: Int) -> [JSON] {
    let bytes = data.span
    var found: [JSON] = []
    for line in lines(in: bytes).reversed() where foundCount + found.count < limit {
      // A line that a crash cut short is none.
      guard let entry = try? JSON(parsing: line.map { bytes[$0] }),
        entry["account"]?.string == org.text
      else { continue }
      found.append(entry)
    }
    return found
  }

  /// Where the lines are that have all marks.
  private func lines(in bytes: Span<UInt8>) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var place = 0
    while let match = marks[0].first(in: bytes, place..<bytes.count) {
      var line = match..<match
      while line.lowerBound > place, bytes[line.lowerBound - 1] != 10 {
        line = line.lowerBound - 1..<line.upperBound
      }
      while line.upperBound < bytes.count, bytes[line.upperBound] != 10 {
        line = line.lowerBound..<line.upperBound + 1
      }
      place = line.upperBound
      if marks.dropFirst().allSatisfy({ $0.first(in: bytes, line) != nil }) { lines.append(line) }
    }
    return lines
  }
}

/// Bytes to look for among many others.
///
/// Source: Horspool, "Practical fast searching in strings" (1980).
struct BytePattern: Sendable {
  private let bytes: [UInt8]
  /// By the byte that stands where the pattern's last would: how far on the next place is where it may be.
  private let shifts: [Int]

  init(_ bytes: [UInt8]) {
    precondition(!bytes.isEmpty, "nothing is everywhere")
    self.bytes = bytes
    var shifts = [Int](repeating: bytes.count, count: 256)
    for (index, byte) in bytes.dropLast().enumerated() {
      shifts[Int(byte)] = bytes.count - 1 - index
    }
    self.shifts = shifts
  }

  /// Where it begins for the first time within `range`.
  func first(in text: borrowing Span<UInt8>, _ range: Range<Int>) -> Int? {
    var start = range.lowerBound
    while range.upperBound - start >= bytes.count {
      if isAt(start, of: text) { return start }
      start += shifts[Int(text[start + bytes.count - 1])]
    }
    return nil
  }

  private func isAt(_ start: Int, of text: borrowing Span<UInt8>) -> Bool {
    // Backwards: what the shift was by is the rarest.
    for index in bytes.indices.reversed() where text[start + index] != bytes[index] { return false }
    return true
  }
}
