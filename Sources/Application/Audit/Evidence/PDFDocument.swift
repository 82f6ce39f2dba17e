/// A PDF 1.4 of text on A4 pages (ISO 32000-1), in the fonts that every reader has: Courier for text, Helvetica for
/// headings. Embeds nothing. Why not a library: decisions/0001-evidence-as-plain-pdf.md.
///
/// The fonts have the letters of Windows-1252; any other character is written as its number, `<U+0416>`. The
/// exact text is in the bundle's openings.
struct PDFDocument {
  enum Style {
    case title, heading, body

    fileprivate var font: String {
      switch self {
      case .title, .heading: "F1"
      case .body: "F2"
      }
    }

    fileprivate var size: Int {
      switch self {
      case .title: 16
      case .heading: 12
      case .body: 9
      }
    }

    /// Above the line and below it together.
    fileprivate var leading: Int {
      switch self {
      case .title: 26
      case .heading: 22
      case .body: 12
      }
    }

    /// Courier is 0.6 of its size wide; capitals of Helvetica-Bold are narrower than 0.75.
    fileprivate var columns: Int {
      switch self {
      case .title: PDFDocument.textWidth * 100 / (size * 62)
      case .heading: PDFDocument.textWidth * 100 / (size * 62)
      case .body: PDFDocument.textWidth * 10 / (size * 6)
      }
    }
  }

  private static let pageWidth = 595
  private static let pageHeight = 842
  private static let margin = 50
  private static var textWidth: Int { pageWidth - 2 * margin }

  /// The drawing operators of each page.
  private var pages: [[UInt8]] = []
  private var rest = 0

  /// Adds a paragraph, on as many lines as it takes. `indent` in characters.
  mutating func add(_ text: String, _ style: Style = .body, indent: Int = 0) {
    for line in Self.wrap(Self.encode(text), columns: style.columns - indent) {
      addLine(line, style, indent: indent)
    }
  }

  mutating func addSpace() { rest -= Style.body.leading / 2 }

  private mutating func addLine(_ line: [UInt8], _ style: Style, indent: Int) {
    if pages.isEmpty || rest < style.leading + Self.margin {
      pages.append([])
      rest = Self.pageHeight - Self.margin
    }
    rest -= style.leading
    let x = Self.margin + indent * style.size * 6 / 10
    let page = pages.count - 1
    pages[page] += "BT /\(style.font) \(style.size) Tf \(x) \(rest) Td (".utf8
    for byte in line {
      // The three that mean something inside a string.
      if byte == 0x28 || byte == 0x29 || byte == 0x5c { pages[page].append(0x5c) }
      pages[page].append(byte)
    }
    pages[page] += ") Tj ET\n".utf8
  }

  /// At spaces where there are some; longer words are cut.
  private static func wrap(_ text: [UInt8], columns: Int) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    for paragraph in text.split(separator: 0x0a, omittingEmptySubsequences: false) {
      var left = paragraph
      while left.count > columns {
        let space = left.prefix(columns + 1).lastIndex(of: 0x20)
        let end = space.flatMap { $0 > left.startIndex ? $0 : nil } ?? left.startIndex + columns
        lines.append(Array(left[..<end]))
        left = left[end...].drop { $0 == 0x20 }
      }
      lines.append(Array(left))
    }
    return lines
  }
}

// MARK: - Letters

extension PDFDocument {
  /// What Windows-1252 has from 0x80 to 0x9f.
  private static let extra: [Unicode.Scalar: UInt8] = [
    "€": 0x80, "‚": 0x82, "ƒ": 0x83, "„": 0x84, "…": 0x85, "†": 0x86, "‡": 0x87, "ˆ": 0x88,
    "‰": 0x89, "Š": 0x8a, "‹": 0x8b, "Œ": 0x8c, "Ž": 0x8e, "‘": 0x91, "’": 0x92, "“": 0x93,
    "”": 0x94, "•": 0x95, "–": 0x96, "—": 0x97, "˜": 0x98, "™": 0x99, "š": 0x9a, "›": 0x9b,
    "œ": 0x9c, "ž": 0x9e, "Ÿ": 0x9f,
  ]

  private static func encode(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x0a, 0x20...0x7e, 0xa0...0xff: bytes.append(UInt8(scalar.value))
      default:
        if let known = extra[scalar] {
          bytes.append(known)
        } else {
          let digits = String(scalar.value, radix: 16, uppercase: true)
          let padding = String(repeating: "0", count: max(0, 4 - digits.count))
          bytes += "<U+\(padding)\(digits)>".utf8
        }
      }
    }
    return bytes
  }
}

// MARK: - The file

extension PDFDocument {
  /// The whole file. The same text gives the same bytes: no times, no random ids.
  func bytes() -> [UInt8] {
    var file = PDFFile()
    let fonts = [("F1", "Helvetica-Bold"), ("F2", "Courier")]
    let fontNumbers = fonts.map { _, name in
      file.add(
        "<< /Type /Font /Subtype /Type1 /BaseFont /\(name) /Encoding /WinAnsiEncoding >>")
    }
    let resources = zip(fonts, fontNumbers).map { "/\($0.0) \($1) 0 R" }.joined(separator: " ")
    // The tree of pages comes after the pages: its number is known beforehand.
    let parent = file.nextNumber + 2 * pages.count
    var kids: [Int] = []
    for page in pages {
      let content = file.add(stream: page)
      kids.append(
        file.add(
          "<< /Type /Page /Parent \(parent) 0 R /MediaBox [0 0 \(Self.pageWidth) \(Self.pageHeight)]"
            + " /Resources << /Font << \(resources) >> >> /Contents \(content) 0 R >>"))
    }
    let list = kids.map { "\($0) 0 R" }.joined(separator: " ")
    let tree = file.add("<< /Type /Pages /Kids [\(list)] /Count \(kids.count) >>")
    precondition(tree == parent, "every page has two objects")
    let root = file.add("<< /Type /Catalog /Pages \(tree) 0 R >>")
    return file.finish(root: root)
  }
}

/// Objects, and where each begins.
private struct PDFFile {
  private var bytes = Array("%PDF-1.4\n".utf8)
  private var offsets: [Int] = []

  var nextNumber: Int { offsets.count + 1 }

  mutating func add(_ body: String) -> Int { add(Array(body.utf8)) }

  mutating func add(stream: [UInt8]) -> Int {
    add(
      Array("<< /Length \(stream.count) >>\nstream\n".utf8) + stream + Array("endstream".utf8))
  }

  private mutating func add(_ body: [UInt8]) -> Int {
    offsets.append(bytes.count)
    bytes += "\(offsets.count) 0 obj\n".utf8
    bytes += body
    bytes += "\nendobj\n".utf8
    return offsets.count
  }

  func finish(root: Int) -> [UInt8] {
    var file = bytes
    file += "xref\n0 \(offsets.count + 1)\n0000000000 65535 f \n".utf8
    for offset in offsets {
      let digits = String(offset)
      file += (String(repeating: "0", count: 10 - digits.count) + digits + " 00000 n \n").utf8
    }
    file += "trailer\n<< /Size \(offsets.count + 1) /Root \(root) 0 R >>\n".utf8
    file += "startxref\n\(bytes.count)\n%%EOF\n".utf8
    return file
  }
}
