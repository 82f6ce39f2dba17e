/// One part of a `multipart/form-data` body: a form field or an uploaded file.
package struct MultipartPart: Sendable, Equatable {
  package var name: String
  /// Set for files. What the client calls it: never a path to write to.
  package var filename: String?
  package var contentType: String?
  package var body: [UInt8]

  package init(
    name: String, filename: String? = nil, contentType: String? = nil, body: [UInt8]
  ) {
    self.name = name
    self.filename = filename
    self.contentType = contentType
    self.body = body
  }
}

/// `multipart/form-data`. Source: RFC 7578, and RFC 2046 section 5.1 for the framing.
package enum Multipart {
  package enum Failure: Error, Equatable {
    /// The content type is another, or names no boundary of 1 to 70 characters.
    case boundaryMissing
    /// The body does not follow the boundary that the header names, or ends early.
    case malformed
    /// A part has no `Content-Disposition: form-data; name=…`.
    case partUnnamed
    case tooManyParts(limit: Int)
  }

  /// The parts of the body of `request`, in order.
  package static func parts(
    of request: HTTPRequest, partsLimit: Int = 1000
  ) throws(Failure) -> [MultipartPart] {
    let boundary = try boundary(of: request.headers["Content-Type"] ?? "")
    return try parts(of: request.body, boundary: boundary, partsLimit: partsLimit)
  }

  package static func parts(
    of body: [UInt8], boundary: String, partsLimit: Int = 1000
  ) throws(Failure) -> [MultipartPart] {
    let delimiter = Array("\r\n--\(boundary)".utf8)
    // The first delimiter has no line before it unless there is a preamble.
    var position: Int
    if body.starts(with: delimiter.dropFirst(2)) {
      position = delimiter.count - 2
    } else if let preambleEnd = find(delimiter, in: body, from: 0) {
      position = preambleEnd + delimiter.count
    } else {
      throw .malformed
    }
    var parts: [MultipartPart] = []
    while !isClosed(body, at: position) {
      guard parts.count < partsLimit else { throw .tooManyParts(limit: partsLimit) }
      guard let start = lineEnd(body, from: position),
        let end = find(delimiter, in: body, from: start - 2)
      else { throw .malformed }
      parts.append(try part(body[start..<max(start, end)]))
      position = end + delimiter.count
    }
    return parts
  }

  /// The body that `parts` reads back, for clients.
  package static func encode(_ parts: [MultipartPart], boundary: String) -> [UInt8] {
    var body: [UInt8] = []
    for part in parts {
      var head = "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(quoted(part.name))\""
      if let filename = part.filename { head += "; filename=\"\(quoted(filename))\"" }
      if let contentType = part.contentType { head += "\r\nContent-Type: \(contentType)" }
      body += Array("\(head)\r\n\r\n".utf8) + part.body + Array("\r\n".utf8)
    }
    return body + Array("--\(boundary)--\r\n".utf8)
  }

  static func boundary(of contentType: String) throws(Failure) -> String {
    let (type, parameters) = parameterised(contentType)
    guard type.lowercased() == "multipart/form-data",
      let boundary = parameters.first(where: { $0.name == "boundary" })?.value,
      (1...70).contains(boundary.utf8.count)
    else { throw .boundaryMissing }
    return boundary
  }
}

// MARK: - Framing

extension Multipart {
  private static func isClosed(_ body: [UInt8], at position: Int) -> Bool {
    body[position...].starts(with: "--".utf8)
  }

  /// Where the line after `position` begins; the line may only have padding before its end.
  private static func lineEnd(_ body: [UInt8], from position: Int) -> Int? {
    var index = position
    while index < body.count, body[index] == 0x20 || body[index] == 0x09 { index += 1 }
    guard body[index...].starts(with: "\r\n".utf8) else { return nil }
    return index + 2
  }

  private static func find(_ needle: [UInt8], in body: [UInt8], from start: Int) -> Int? {
    var index = start
    let last = body.count - needle.count
    while index <= last {
      // The needle begins with a CR, which is rare in text and in most files.
      guard let next = body[index...last].firstIndex(of: needle[0]) else { return nil }
      if body[next..<next + needle.count].elementsEqual(needle) { return next }
      index = next + 1
    }
    return nil
  }

  private static func part(_ bytes: ArraySlice<UInt8>) throws(Failure) -> MultipartPart {
    // No header at all is an empty line at once.
    let blank = Array("\r\n\r\n".utf8)
    guard let headEnd = find(blank, in: Array(bytes), from: 0) else { throw .malformed }
    let head = String(decoding: bytes.prefix(headEnd), as: UTF8.self)
    var headers = HTTPHeaders()
    for line in head.split(separator: "\r\n") {
      let name = line.prefix { $0 != ":" }
      headers.add(String(name), String(ASCII.trimmed(line.dropFirst(name.count + 1))))
    }
    let (kind, parameters) = parameterised(headers["Content-Disposition"] ?? "")
    guard kind.lowercased() == "form-data",
      let name = parameters.first(where: { $0.name == "name" })?.value
    else { throw .partUnnamed }
    return MultipartPart(
      name: name, filename: parameters.first { $0.name == "filename" }?.value,
      contentType: headers["Content-Type"], body: Array(bytes.dropFirst(headEnd + blank.count)))
  }
}

// MARK: - Parameters

extension Multipart {
  /// `value; name=token; name="quoted"` in its parts; names in lower case.
  private static func parameterised(_ field: String) -> (value: String, [QueryItem]) {
    var rest = Substring(field)
    let value = ASCII.trimmed(rest.prefix { $0 != ";" })
    rest = rest.drop { $0 != ";" }
    var items: [QueryItem] = []
    while rest.first == ";" {
      rest.removeFirst()
      let name = rest.prefix { $0 != "=" && $0 != ";" }
      rest = rest.dropFirst(name.count)
      guard rest.first == "=" else { continue }
      rest.removeFirst()
      let text = rest.first == "\"" ? quotedText(&rest) : tokenText(&rest)
      items.append(QueryItem(name: ASCII.trimmed(name).lowercased(), value: text))
    }
    return (String(value), items)
  }

  private static func tokenText(_ rest: inout Substring) -> String {
    let token = rest.prefix { $0 != ";" }
    rest = rest.dropFirst(token.count)
    return String(ASCII.trimmed(token))
  }

  /// Browsers write a quote as `%22` and leave backslashes alone; others write `\"`.
  private static func quotedText(_ rest: inout Substring) -> String {
    rest.removeFirst()
    var text = ""
    while let character = rest.popFirst(), character != "\"" {
      if character == "\\", let next = rest.first, next == "\"" || next == "\\" {
        text.append(rest.removeFirst())
      } else {
        text.append(character)
      }
    }
    rest = rest.drop { $0 != ";" }
    return text.replacing("%22", with: "\"").replacing("%0D", with: "\r")
      .replacing("%0A", with: "\n")
  }

  /// Source: WHATWG HTML, multipart/form-data encoding algorithm.
  private static func quoted(_ text: String) -> String {
    // By scalars: CRLF is one Character, and neither of its halves.
    var quoted = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted.append(contentsOf: "%22".unicodeScalars)
      case "\r": quoted.append(contentsOf: "%0D".unicodeScalars)
      case "\n": quoted.append(contentsOf: "%0A".unicodeScalars)
      default: quoted.append(scalar)
      }
    }
    return String(quoted)
  }
}
