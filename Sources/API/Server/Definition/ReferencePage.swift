import Crypto
import Domain
import HTTP
import JSON
import Synchronization

/// `/openapi.json` and `/docs`, made from the operations.
enum ReferenceRoutes {
  static let all = [
    Operation(
      "GET", "/openapi.json", .open, "This API as an OpenAPI 3.1 document",
      answers: [.ok(.anything)], handler: document),
    Operation(
      "GET", "/docs", .open, "This reference, to read",
      answers: [.text("text/html", "The page.")], handler: page),
  ]

  private static func document(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let serverURL = exchange.services.settings.publicURL
    let pieces = documents.withLock { documents in
      if let known = documents[serverURL] { return known }
      let document = OpenAPI.document(APIServer.operations, serverURL: serverURL)
      let made = Self.pieces(of: document.bytes())
      documents[serverURL] = made
      return made
    }
    return response(of: pieces, type: "application/json")
  }

  /// By the address that we are called by: a process has one.
  private static let documents = Mutex<[String: [[UInt8]]]>([:])
  private static let pagePieces = pieces(of: Array(ReferencePage.html.utf8))
  private static let pieceBytes = 64 << 10

  private static func pieces(of bytes: [UInt8]) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: pieceBytes).map {
      Array(bytes[$0..<min($0 + pieceBytes, bytes.count)])
    }
  }

  /// All answers share the pieces. Whole, each connection would have a copy of more than a megabyte, for as long as
  /// whoever asked cares to wait.
  private static func response(of pieces: [[UInt8]], type: String) -> HTTPResponse {
    let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
    for piece in pieces { continuation.yield(piece) }
    continuation.finish()
    return HTTPResponse(status: 200, headers: ["content-type": type], body: .stream(stream))
  }

  private static func page(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var response = response(of: pagePieces, type: "text/html; charset=utf-8")
    response.headers.set("content-security-policy", ReferencePage.securityPolicy)
    return response
  }
}

/// One page without anything from elsewhere: style and script stand in it.
enum ReferencePage {
  static let html: String =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Daybook API</title>"
    + "<meta name=viewport content='width=device-width, initial-scale=1'>"
    + "<style>\(style)</style><header><h1>Daybook API</h1>"
    + "<input id=q type=search placeholder='Search operations and codes' "
    + "aria-label='Search operations and codes'>"
    + "<p>Version \(APIVersion.current.text) · <a href=/openapi.json>OpenAPI 3.1</a></p></header>"
    + "<div class=page><nav>\(navigation)</nav><main>\(shared)\(sections)\(errors)\(objects)"
    + "</main></div><script>\(script)</script></html>"

  /// Only this page's own style and script run.
  static let securityPolicy =
    "default-src 'none'; style-src '\(digest(style))'; script-src '\(digest(script))'; "
    + "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

  private static func digest(_ text: String) -> String {
    "sha256-" + Base64.encode(SHA256.hash(Array(text.utf8)))
  }

  private static var resources: [String] {
    var seen: [String] = []
    for operation in APIServer.operations where !seen.contains(operation.resource) {
      seen.append(operation.resource)
    }
    return seen
  }

  private static var navigation: String {
    (["conventions"] + resources + ["errors", "objects"]).map { "<a href='#\($0)'>\($0)</a>" }
      .joined()
  }

  /// What so many operations take in the same words that it is explained once.
  private static let sharedParameters: [Parameter] = {
    var found: [(parameter: Parameter, count: Int)] = []
    for parameter in APIServer.operations.flatMap(\.parameters) {
      let index = found.firstIndex {
        $0.parameter.name == parameter.name && $0.parameter.description == parameter.description
      }
      if let index { found[index].count += 1 } else { found.append((parameter, 1)) }
    }
    return found.filter { $0.count > 10 && !$0.parameter.description.isEmpty }.map(\.parameter)
  }()

  private static func isShared(_ parameter: Parameter) -> Bool {
    sharedParameters.contains {
      $0.name == parameter.name && $0.description == parameter.description
    }
  }

  private static var shared: String {
    "<section id=conventions><h2>conventions</h2><article data-s>"
      + "<p>Taken by every operation that names them under “Also”.</p>"
      + table(sharedParameters) { "<tr id='also-\($0.name)'>" } + "</article></section>"
  }

  private static func table(
    _ parameters: [Parameter], row: (Parameter) -> String = { _ in "<tr>" }
  ) -> String {
    "<table><tr><th>Parameter<th>In<th>Takes<th>"
      + parameters.map { parameter in
        // The fields of every object: they stand there.
        let takes = parameter.name == "fields" ? "list of fields" : words(parameter.schema)
        return row(parameter)
          + "<td><code>\(parameter.name)</code>\(parameter.isRequired ? " *" : "")"
          + "<td>\(parameter.place.rawValue)<td>\(takes)<td>\(prose(parameter.description))"
      }.joined() + "</table>"
  }

  /// A call that can be copied.
  private static func call(_ operation: Operation) -> String {
    var target = operation.path
    let needed = operation.parameters.filter { $0.place == .query && $0.isRequired }
    if !needed.isEmpty {
      target += "?" + needed.map { "\($0.name)=…" }.joined(separator: "&")
    }
    var lines = [
      "curl" + (operation.method == "GET" ? "" : " -X \(operation.method)") + " \"$URL\(target)\""
    ]
    switch operation.access {
    case .scope: lines.append("-H \"Authorization: Bearer $DAYBOOK_API_KEY\"")
    case .oneself:
      lines.append("-b \"daybook_session=$SESSION\"")
      if operation.method != "GET" { lines.append("-H \"X-CSRF-Token: $CSRF_TOKEN\"") }
    case .operation: lines.append("-H \"Authorization: Bearer $OPERATOR_TOKEN\"")
    case .open, .signed: break
    }
    if operation.idempotency == .required { lines.append("-H \"Idempotency-Key: $(uuidgen)\"") }
    if let example = operation.body?.example {
      lines.append("-H 'Content-Type: application/json'")
      lines.append("-d '\(example.text.replacing("'", with: "'\\''"))'")
    }
    return "<pre>\(escaped(lines.joined(separator: " \\\n  ")))</pre>"
  }

  private static var sections: String {
    resources.map { resource in
      "<section id='\(resource)'><h2>\(resource)</h2>"
        + APIServer.operations.filter { $0.resource == resource }.map(article).joined()
        + "</section>"
    }.joined()
  }

  private static func article(_ operation: Operation) -> String {
    var html =
      "<article id='\(operation.name)' data-s><h3><b class=\(operation.method)>"
      + "\(operation.method)</b> <code>\(escaped(operation.path))</code></h3>"
      + "<p>\(prose(operation.summary)).</p>"
    if !operation.details.isEmpty { html += "<p>\(prose(operation.details))</p>" }
    switch operation.access {
    case .scope(let scope):
      let all = ([scope] + operation.alsoNeeds).map { "<code>\($0)</code>" }
      html += "<p>Scope \(all.joined(separator: " and "))</p>"
    case .oneself: html += "<p>For whoever is signed in, whatever their role</p>"
    case .open, .signed, .operation: break
    }
    let own = operation.parameters.filter { !isShared($0) }
    if !own.isEmpty { html += table(own) }
    let also = operation.parameters.filter(isShared).map {
      "<a href='#also-\($0.name)'><code>\($0.name)</code></a>\($0.isRequired ? " *" : "")"
    }
    if !also.isEmpty { html += "<p>Also \(also.joined(separator: ", "))</p>" }
    if let body = operation.body {
      for content in body.contents {
        html += "<p>Body, <code>\(content.mediaType)</code></p>" + fields(content.schema)
      }
    }
    if operation.access != .signed { html += call(operation) }
    return html + answers(operation) + "</article>"
  }

  private static func answers(_ operation: Operation) -> String {
    var html = "<table><tr><th>Status<th>Answer"
    for (status, codes) in operation.statuses.sorted(by: { $0.key < $1.key }) {
      html += "<tr><td>\(status)<td>"
      if let answer = operation.answers.first(where: { $0.status == status }) {
        html += prose(answer.description) + " "
        html += answer.contents.map { words($0.schema) }.joined(separator: ", ")
      } else {
        html += codes.map { "<a href='#error-\($0)'><code>\($0)</code></a>" }
          .joined(separator: ", ")
      }
    }
    return html + "</table>"
  }

  private static var errors: String {
    "<section id=errors><h2>errors</h2>"
      + ErrorCatalogue.entries.map {
        "<article id='error-\($0.code)' data-s><h3><code>\($0.code)</code></h3>"
          + "<p>\(prose($0.meaning))</p></article>"
      }.joined() + "</section>"
  }

  /// The named objects, in the order of their names.
  private static var objects: String {
    var named: [String: Schema] = [:]
    for operation in APIServer.operations {
      for content in (operation.body?.contents ?? []) + operation.answers.flatMap(\.contents) {
        content.schema.collect(&named)
      }
    }
    return "<section id=objects><h2>objects</h2>"
      + named.sorted { $0.key < $1.key }.map {
        "<article id='object-\($0.key)' data-s><h3>\($0.key)</h3>\(fields($0.value))</article>"
      }.joined() + "</section>"
  }

  private static func fields(_ schema: Schema) -> String {
    guard case .object(let properties, _) = schema.shape, !properties.isEmpty else {
      return "<p>\(words(schema))</p>"
    }
    return "<table><tr><th>Field<th>Takes<th>"
      + properties.map {
        "<tr><td><code>\($0.name)</code>\($0.isRequired ? " *" : "")<td>\(words($0.schema))"
          + "<td>\(prose($0.schema.description))"
      }.joined() + "</table>"
  }

  /// The shape in a few words.
  private static func words(_ schema: Schema) -> String {
    let end = schema.isNullable ? " or null" : ""
    if let name = schema.name { return "<a href='#object-\(name)'>\(name)</a>" + end }
    let text =
      switch schema.shape {
      case .anything: "JSON"
      case .boolean: "true or false"
      case .number: "number"
      case .integer: "whole number"
      case .array(let item, _): "list of " + words(item)
      case .object(let properties, _):
        properties.isEmpty
          ? "object"
          : "{ " + properties.map { "<code>\($0.name)</code>" }.joined(separator: ", ") + " }"
      case .either(let schemas): schemas.map(words).joined(separator: " or ")
      case .text(.choice(let values)):
        values.map { "<code>\(escaped($0))</code>" }.joined(separator: " ")
      case .text(.id(let kind)): "id <code>\(kind.rawValue)_…</code>"
      case .text(.time): "time"
      case .text(.format(let format, _)): format
      case .text(.length): "text"
      }
    return text + end
  }

  private static func escaped(_ text: String) -> String {
    var html = ""
    for character in text {
      switch character {
      case "<": html += "&lt;"
      case ">": html += "&gt;"
      case "&": html += "&amp;"
      case "'": html += "&#39;"
      case "\"": html += "&quot;"
      default: html.append(character)
      }
    }
    return html
  }

  /// Text in which `words` stand for code.
  private static func prose(_ text: String) -> String {
    escaped(text).split(separator: "`", omittingEmptySubsequences: false).enumerated().map {
      $0.offset.isMultiple(of: 2) ? String($0.element) : "<code>\($0.element)</code>"
    }.joined()
  }

  private static let style = """
    :root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{margin:0}
    header{position:sticky;top:0;background:Canvas;display:flex;gap:1rem;align-items:center;
    padding:.5rem 1rem;border-bottom:1px solid #8886;flex-wrap:wrap}h1{font-size:1.1rem;margin:0}
    input{font:inherit;padding:.3rem .6rem;flex:1;min-width:12rem}header p{margin:0}
    .page{display:grid;grid-template-columns:12rem 1fr}nav{padding:1rem;display:flex;
    flex-direction:column;gap:.2rem;position:sticky;top:3.4rem;align-self:start;
    max-height:calc(100vh - 3.4rem);overflow:auto;box-sizing:border-box}main{padding:0 1rem 4rem;min-width:0}
    article{border-bottom:1px solid #8883;padding:.5rem 0;scroll-margin-top:4rem}
    section{scroll-margin-top:4rem}h3{font-size:1rem;margin:.5rem 0}
    table{border-collapse:collapse;width:100%;margin:.5rem 0}
    tr{scroll-margin-top:4rem}td:last-child{min-width:9rem}td,p{overflow-wrap:anywhere}
    td:nth-child(2):not(:last-child){overflow-wrap:normal}
    th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-top:1px solid #8882}
    b{font-size:.8rem;padding:.1rem .4rem;border:1px solid;border-radius:.2rem}
    .GET{color:#17803d}.POST,.PUT{color:#1d5fd1}.PATCH{color:#9a6700}.DELETE{color:#c0271d}
    pre{overflow:auto;background:#8881;padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}
    a{color:LinkText}[hidden]{display:none}
    @media(max-width:45rem){.page{display:block}nav{flex-direction:row;flex-wrap:wrap;
    position:static;max-height:none}td:last-child{min-width:0}h3 code{overflow-wrap:anywhere}}
    """

  private static let script = """
    const q=document.getElementById('q'),all=[...document.querySelectorAll('[data-s]')];
    const texts=all.map(e=>e.textContent.toLowerCase());
    q.addEventListener('input',()=>{const words=q.value.toLowerCase().split(/\\s+/);
    all.forEach((e,i)=>e.hidden=!words.every(w=>texts[i].includes(w)));
    document.querySelectorAll('section').forEach(s=>
    s.hidden=!s.querySelector('[data-s]:not([hidden])'))});
    addEventListener('keydown',e=>{if(e.key==='/'&&e.target!==q){e.preventDefault();q.focus()}});
    """
}

extension Schema {
  /// Every named schema in it.
  fileprivate func collect(_ named: inout [String: Schema]) {
    if let name {
      guard named[name] == nil else { return }
      named[name] = self
    }
    switch shape {
    case .anything, .boolean, .integer, .number, .text: break
    case .array(let item, _): item.collect(&named)
    case .either(let schemas): for schema in schemas { schema.collect(&named) }
    case .object(let properties, let others):
      for property in properties { property.schema.collect(&named) }
      if case .each(let schema) = others { schema.collect(&named) }
    }
  }
}
