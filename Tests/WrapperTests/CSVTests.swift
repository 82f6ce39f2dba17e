import CSV
import Foundation
import Testing

private let contactsPath = URL(filePath: #filePath).deletingLastPathComponent()
  .appending(path: "../../../shared/data/us-300.csv").standardizedFileURL.path

private let haveContacts = FileManager.default.fileExists(atPath: contactsPath)

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func records(_ reader: CSVReader) throws -> [CSVRecord] {
  var reader = reader
  var records: [CSVRecord] = []
  while let record = try reader.next() { records.append(record) }
  return records
}

private func fields(_ text: String) throws -> [[String]] {
  try records(try CSVReader(bytes: bytes(text))).map(\.fields)
}

@Suite struct CSVReaderTests {
  @Test(arguments: ["\n", "\r\n", "\r"])
  func `records end with any line end, the last one with or without`(end: String) throws {
    for last in ["", end] {
      let text = ["name,phone", "Ann,1", "Ben,2"].joined(separator: end) + last
      let reader = try CSVReader(bytes: bytes(text))
      #expect(reader.header == ["name", "phone"])
      let read = try records(reader)
      #expect(read.map(\.fields) == [["Ann", "1"], ["Ben", "2"]])
      #expect(read.map(\.line) == [2, 3])
      #expect(read.allSatisfy { $0.problem == nil })
    }
  }

  @Test func `quoted fields hold delimiters, quotes and line ends, and lines stay counted`() throws
  {
    let text = "a,b\r\n\"x, \"\"y\"\"\",\"1\r\n2\n3\"\r\nlast, \"q\" \r\n"
    let read = try records(try CSVReader(bytes: bytes(text)))
    #expect(read.map(\.fields) == [["x, \"y\"", "1\r\n2\n3"], ["last", "q"]])
    #expect(read.map(\.line) == [2, 5])
  }

  @Test func `a quote within a field is a quote, and empty fields stay`() throws {
    #expect(try fields("a,b,c\n5\" pipe,,\"\"\n,x,\n") == [["5\" pipe", "", ""], ["", "x", ""]])
  }

  @Test func `blank lines and rows of empty cells are passed over and counted`() throws {
    let read = try records(try CSVReader(bytes: bytes("\n\na,b\n\n , \n,\n1,2\n\n")))
    #expect(read.map(\.fields) == [["1", "2"]])
    #expect(read.map(\.line) == [7])
  }

  @Test(arguments: [
    ("a,b\n1,2\n", CSVDialect.Delimiter.comma), ("a;b\n1;2\n", .semicolon), ("a\tb\n1\t2\n", .tab),
    ("a|b\n1|2\n", .bar), ("only\none\ntwo, three\n", .comma),
    ("name;amount\nAnn;1,5\nBen;2,5\n", .semicolon),
    ("name,note\nAnn,a;b;c\nBen,d;e;f\n", .comma),
    ("\"a;b\",c\n\"1;2\",3\n", .comma), ("sep=|\na,b|c,d\n1,2|3\n", .bar),
    ("a\tb, c\n1\t2\n", .tab),
  ])
  func `the delimiter is found, also beside others in the text`(
    text: String, delimiter: CSVDialect.Delimiter
  ) throws {
    #expect(try CSVReader(bytes: bytes(text)).dialect.delimiter == delimiter)
  }

  @Test func `a line that names the delimiter is no header, but is counted`() throws {
    let reader = try CSVReader(bytes: bytes("sep=;\r\na;b\r\n1;2\r\n"))
    #expect(reader.header == ["a", "b"])
    #expect(reader.headerLine == 2)
    #expect(try records(reader).map(\.line) == [3])
  }

  @Test func `what the caller knows wins over what is detected`() throws {
    let reader = try CSVReader(bytes: bytes("a,b;c\n1,2;3\n"), delimiter: .semicolon)
    #expect(reader.header == ["a,b", "c"])
    let latin = try CSVReader(bytes: [0xc3, 0xa9], encoding: .windows1252)
    #expect(latin.header == ["Ã©"])
  }

  @Test func `a byte order mark is no part of the first name`() throws {
    let text = "né,b\n1,€\n"
    let little = text.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    let big = text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    let files: [([UInt8], CSVEncoding)] = [
      ([0xef, 0xbb, 0xbf] + text.utf8, .utf8), (bytes(text), .utf8),
      ([0xff, 0xfe] + little, .utf16LittleEndian), ([0xfe, 0xff] + big, .utf16BigEndian),
      (little, .utf16LittleEndian), (big, .utf16BigEndian),
      ([0x6e, 0xe9, 0x2c, 0x62, 0x0a, 0x31, 0x2c, 0x80, 0x0a], .windows1252),
    ]
    for (file, encoding) in files {
      let reader = try CSVReader(bytes: file)
      #expect(reader.dialect.encoding == encoding)
      #expect(reader.header == ["né", "b"], "\(encoding)")
      #expect(try records(reader).map(\.fields) == [["1", "€"]], "\(encoding)")
    }
  }

  @Test func `ragged rows are handed out with their line and their problem`() throws {
    let read = try records(try CSVReader(bytes: bytes("a,b\n1\n1,2\n\"x\ny\",2,3\n")))
    #expect(read.map(\.line) == [2, 3, 4])
    #expect(
      read.map(\.problem) == [
        .fieldCount(expected: 2, actual: 1), nil, .fieldCount(expected: 2, actual: 3),
      ])
  }

  @Test func `a quote that never closes costs one line, not the rest of the file`() throws {
    for last in ["fine", "\"fine\"", "\"also\nfine\""] {
      let read = try records(try CSVReader(bytes: bytes("a,b\n1,\"open\n2,ok\n3,\(last)\n")))
      #expect(read.map(\.line) == [2, 3, 4])
      #expect(read.map(\.problem) == [.unterminatedQuote, nil, nil])
      #expect(read[1].fields == ["2", "ok"])
    }
    let stray = try records(try CSVReader(bytes: bytes("a,b\n1,\"x\"y\n")))
    #expect(stray.map(\.problem) == [.strayQuote])
    #expect(stray.map(\.fields) == [["1", "xy"]])
  }

  @Test func `too long a record, too many fields and zero bytes are problems of their record`()
    throws
  {
    var limits = CSVReader.Limits()
    limits.recordByteCount = 20
    limits.fieldCount = 3
    let text = "a,b\n\(String(repeating: "x", count: 30)),1\n1,2,3,4\nn\0,2\n1,2\n"
    let read = try records(try CSVReader(bytes: bytes(text), limits: limits))
    #expect(read.map(\.problem) == [.tooLong, .tooManyFields(limit: 3), .zeroByte, nil])
    #expect(read.map(\.line) == [2, 3, 4, 5])
  }

  @Test func `a file that is no table is an error`() throws {
    #expect(throws: CSVError.noHeader) { _ = try CSVReader(bytes: []) }
    #expect(throws: CSVError.noHeader) { _ = try CSVReader(bytes: bytes("\n \n")) }
    #expect(throws: CSVError.badHeader(line: 1, .unterminatedQuote)) {
      _ = try CSVReader(bytes: bytes("\"a,b\n1,2\n"))
    }
    var limits = CSVReader.Limits()
    limits.byteCount = 5
    limits.recordCount = 1
    #expect(throws: CSVError.tooLarge(limitBytes: 5)) {
      _ = try CSVReader(bytes: bytes("a,b\n1,2\n"), limits: limits)
    }
    #expect(throws: CSVError.tooManyRecords(limit: 1)) {
      _ = try records(try CSVReader(bytes: bytes("a\n1\n2"), limits: limits))
    }
  }

  @Test func `progress goes from the header to the end`() throws {
    var reader = try CSVReader(bytes: bytes("a\n1\n2\n3\n"))
    var seen = [reader.progress]
    while try reader.next() != nil { seen.append(reader.progress) }
    #expect(seen == [0.25, 0.5, 0.75, 1])
  }

  /// Goal: whatever is written is read again. Method: 300 seeded tables of the characters that hurt.
  @Test(arguments: 1...300 as ClosedRange<UInt64>)
  func `what the writer writes the reader reads`(seed: UInt64) throws {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let alphabet = ["a", "é", "\"", ",", ";", "\t", "|", "\n", "\r", " ", "=", "✓"]
    let delimiter = CSVDialect.Delimiter.allCases[random(4)]
    let width = 1 + random(4)
    let table = (0..<random(6)).map { _ in
      // A record of nothing but white space reads as blank.
      ["k"]
        + (1..<width + 1).map { _ in (0..<random(5)).map { _ in alphabet[random(12)] }.joined() }
    }
    var writer = CSVWriter(delimiter: delimiter, hasByteOrderMark: random(2) == 0)
    writer.append((0...width).map { "column \($0)" })
    for row in table { writer.append(row) }
    let read = try records(try CSVReader(bytes: writer.take(), delimiter: delimiter))
    try #require(read.map(\.fields) == table)
    try #require(read.allSatisfy { $0.problem == nil })
  }

  @Test(.enabled(if: haveContacts, "the shared contacts are not beside this checkout"))
  func `a list of 300 contacts is read whole, each record as wide as its header`() throws {
    let reader = try CSVReader(bytes: Array(try Data(contentsOf: URL(filePath: contactsPath))))
    #expect(reader.header.count == 12)
    let read = try records(reader)
    #expect(read.count == 300)
    #expect(read.allSatisfy { $0.problem == nil })
    #expect(read[0].fields[2] == "Benton, John B Jr")
  }

  @Test func `the writer quotes what must be quoted and changes nothing`() {
    var writer = CSVWriter()
    writer.append(["plain", "=1+1", "+14155550100", "a,b", "say \"hi\"", " x", "two\nlines", ""])
    writer.append([""])
    let expected =
      "plain,=1+1,+14155550100,\"a,b\",\"say \"\"hi\"\"\",\" x\",\"two\nlines\",\r\n\"\"\r\n"
    #expect(String(decoding: writer.take(), as: UTF8.self) == expected)
    #expect(writer.take().isEmpty)
  }
}
