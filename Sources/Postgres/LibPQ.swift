// The only file that calls libpq. Pointers and status codes stay below this line; callers see
// `Session`, `ServerAnswer` and `PostgresError`. Source of the rules quoted here: the PostgreSQL 15
// documentation, chapter 34.

internal import CPostgres
internal import Glibc

/// One connection to a server. Blocking, and for one thread at a time.
@safe
final class Session {
  private let handle: OpaquePointer

  /// Connects. `settings` are in effect where `connectionString` (keywords and values, or a URI)
  /// does not say otherwise.
  init(
    connectionString: String, settings: [(keyword: String, value: String)]
  ) throws(PostgresError) {
    guard PQisthreadsafe() == 1 else {
      preconditionFailure("libpq was built without thread safety")
    }
    // A later keyword wins over an earlier one, and dbname is expanded in its place.
    let keywords = settings.map(\.keyword) + ["dbname"]
    let values = settings.map(\.value) + [connectionString]
    let opened = unsafe withCStrings(keywords) { keywords in
      unsafe withCStrings(values) { values in
        unsafe PQconnectdbParams(keywords, values, 1)
      }
    }
    guard let opened = unsafe opened else { throw .unavailable(reason: "out of memory") }
    guard unsafe PQstatus(opened) == CONNECTION_OK else {
      let reason = unsafe firstLine(PQerrorMessage(opened))
      unsafe PQfinish(opened)
      throw .unavailable(reason: reason)
    }
    // The default writes notices to standard error, and a notice may quote data.
    _ = unsafe PQsetNoticeProcessor(opened, { _, _ in }, nil)
    unsafe handle = unsafe opened
  }

  deinit { unsafe PQfinish(handle) }

  var isBroken: Bool { unsafe PQstatus(handle) != CONNECTION_OK }

  /// Whether a transaction is open, failed or not.
  var isInTransaction: Bool {
    let status = unsafe PQtransactionStatus(handle)
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
  }

  /// For example 150020.
  var serverVersion: Int { Int(unsafe PQserverVersion(handle)) }

  /// The process that works for this session, by the server's own numbers.
  var serverProcessID: Int32 { unsafe PQbackendPID(handle) }

  /// The process that listens where a local socket leads to; nil where the connection is of another kind.
  var localServerProcessID: Int32? {
    // struct ucred of unix(7), which Glibc's module leaves out.
    var peer: (process: Int32, user: UInt32, group: UInt32) = (0, 0, 0)
    var size = socklen_t(MemoryLayout.size(ofValue: peer))
    let code = unsafe getsockopt(PQsocket(handle), SOL_SOCKET, SO_PEERCRED, &peer, &size)
    return code == 0 && peer.process > 0 ? peer.process : nil
  }

  /// Whether the server has said something that nobody asked for. To an idle session that did not
  /// LISTEN it says why it hangs up, or that a setting changed: either way, best begun anew.
  func hasUnaskedInput() -> Bool {
    var socket = pollfd(fd: unsafe PQsocket(handle), events: Int16(POLLIN), revents: 0)
    return unsafe poll(&socket, 1, 0) != 0
  }

  /// Runs one or several statements without parameters. The answer is that of the last one.
  func execute(_ sql: String) throws(PostgresError) -> ServerAnswer {
    try unsafe answer(PQexec(handle, sql))
  }

  /// `isBinary`: the answer's fields come in the binary form of their types.
  func execute(
    _ sql: String, _ parameters: EncodedParameters, isBinary: Bool
  ) throws(PostgresError) -> ServerAnswer {
    let result = unsafe withPointers(to: parameters) { values in
      unsafe PQexecParams(
        handle, sql, Int32(values.count), parameters.types, values.baseAddress,
        parameters.lengths, parameters.formats, isBinary ? 1 : 0)
    }
    return try unsafe answer(result)
  }

  func prepare(_ name: String, _ sql: String, types: [UInt32]) throws(PostgresError) {
    _ = try unsafe answer(PQprepare(handle, name, sql, Int32(types.count), types))
  }

  func executePrepared(
    _ name: String, _ parameters: EncodedParameters, isBinary: Bool
  ) throws(PostgresError) -> ServerAnswer {
    let result = unsafe withPointers(to: parameters) { values in
      unsafe PQexecPrepared(
        handle, name, Int32(values.count), values.baseAddress, parameters.lengths,
        parameters.formats, isBinary ? 1 : 0)
    }
    return try unsafe answer(result)
  }

  /// Sends bytes of a COPY that `execute` has begun.
  func putCopyData(_ bytes: [UInt8]) throws(PostgresError) {
    let code = unsafe bytes.withUnsafeBytes { bytes in
      unsafe PQputCopyData(
        handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
    }
    guard code == 1 else { throw lost() }
  }

  /// Ends the COPY, or makes the server undo it where `isAborted`.
  func endCopy(isAborted: Bool) throws(PostgresError) -> ServerAnswer {
    let code = unsafe PQputCopyEnd(handle, isAborted ? "the rows could not be made" : nil)
    guard code == 1 else { throw lost() }
    let result = unsafe PQgetResult(handle)
    // One answer, then a null pointer that ends the command.
    while let extra = unsafe PQgetResult(handle) { unsafe PQclear(extra) }
    return try unsafe answer(result)
  }

  private func answer(_ result: OpaquePointer?) throws(PostgresError) -> ServerAnswer {
    guard let result = unsafe result else { throw lost() }
    let answer = unsafe ServerAnswer(owning: result)
    if let rejection = answer.rejection {
      // A server that shuts down says why before it hangs up.
      if isBroken { throw lost() }
      throw .rejected(rejection)
    }
    return answer
  }

  private func lost() -> PostgresError {
    .connectionLost(outcome: .unknown)
  }
}

/// What the server answered to one statement. Immutable.
@safe
final class ServerAnswer: @unchecked Sendable {
  // Sendable: "PGresult objects are normally read-only after creation, and so can be passed around
  // freely between threads" (34.20). Nothing here modifies it before deinit.
  private let handle: OpaquePointer

  fileprivate init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

  deinit { unsafe PQclear(handle) }

  var rowCount: Int { Int(unsafe PQntuples(handle)) }

  var columnNames: [String] {
    let count = unsafe PQnfields(handle)
    return (0..<count).map { column in
      unsafe PQfname(handle, column).map { unsafe String(cString: $0) } ?? ""
    }
  }

  /// Rows inserted, updated, deleted, copied or selected.
  var affectedRowCount: Int {
    unsafe PQcmdTuples(handle).flatMap { unsafe Int(String(cString: $0)) } ?? 0
  }

  /// The command tag: `COMMIT`, `INSERT 0 1`, …
  var commandTag: String {
    unsafe PQcmdStatus(handle).map { unsafe String(cString: $0) } ?? ""
  }

  /// The text of one field, or nil for null.
  func text(row: Int, column: Int) -> String? {
    unsafe withField(row: row, column: column) { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// The UTF-8 of one field, or nil for null.
  func utf8(row: Int, column: Int) -> [UInt8]? {
    unsafe withField(row: row, column: column) { unsafe [UInt8]($0) }
  }

  /// Appends a row's fields as COPY has them: each its length (-1: null) and its bytes.
  func appendFields(row: Int, to bytes: inout [UInt8]) {
    let columnCount = unsafe PQnfields(handle)
    for column in 0..<columnCount {
      let isNull = unsafe PQgetisnull(handle, Int32(row), column) != 0
      guard !isNull else {
        bytes.appendBigEndian(Int32(-1))
        continue
      }
      let count = unsafe PQgetlength(handle, Int32(row), column)
      bytes.appendBigEndian(count)
      unsafe bytes.append(
        contentsOf: UnsafeRawBufferPointer(
          start: PQgetvalue(handle, Int32(row), column), count: Int(count)))
    }
  }

  private func withField<Result>(
    row: Int, column: Int, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result? {
    let (row, column) = (Int32(row), Int32(column))
    guard unsafe PQgetisnull(handle, row, column) == 0 else { return nil }
    let bytes = unsafe UnsafeRawBufferPointer(
      start: PQgetvalue(handle, row, column), count: Int(PQgetlength(handle, row, column)))
    return unsafe body(bytes)
  }

  fileprivate var rejection: PostgresError.Rejection? {
    switch unsafe PQresultStatus(handle) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_COPY_IN, PGRES_EMPTY_QUERY: return nil
    default: break
    }
    let state = diagnostic("C") ?? "XX000"
    let classes = PostgresError.Rejection.classesWithPlainMessages
    return PostgresError.Rejection(
      sqlState: state,
      message: classes.contains(String(state.prefix(2))) ? diagnostic("M") ?? "" : "",
      schema: diagnostic("s"), table: diagnostic("t"), column: diagnostic("c"),
      constraint: diagnostic("n"))
  }

  /// A field of an error report. Source: postgres_ext.h, PG_DIAG_*.
  private func diagnostic(_ field: Unicode.Scalar) -> String? {
    unsafe PQresultErrorField(handle, Int32(field.value)).map { unsafe String(cString: $0) }
  }
}

// MARK: - Connection strings

/// A connection string of either form (`host=… dbname=…` or `postgresql://…`), taken apart.
package struct PostgresConnectionString: Sendable, CustomStringConvertible {
  private var settings: [(keyword: String, value: String)]

  package init(_ text: String) throws(PostgresError) {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = unsafe PQconninfoParse(text, &message) else {
      // The message may quote the password.
      unsafe PQfreemem(message)
      throw .unavailable(reason: "the connection string is malformed")
    }
    defer { unsafe PQconninfoFree(options) }
    settings = []
    var next = unsafe options
    while let keyword = unsafe next.pointee.keyword {
      if let value = unsafe next.pointee.val {
        settings.append((unsafe String(cString: keyword), unsafe String(cString: value)))
      }
      unsafe next += 1
    }
  }

  package subscript(keyword: String) -> String? {
    get { settings.last { $0.keyword == keyword }?.value }
    set {
      settings.removeAll { $0.keyword == keyword }
      if let newValue { settings.append((keyword, newValue)) }
    }
  }

  /// The keyword form, password included: for `PostgresConnection`, not for a log.
  package var text: String {
    settings.map { keyword, value in
      let quoted = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
      return "\(keyword)='\(quoted)'"
    }.joined(separator: " ")
  }

  package var description: String {
    var shown = self
    if shown["password"] != nil { shown["password"] = "***" }
    return shown.text
  }
}

/// Whether a server takes connections: false while it starts, stops, or is not there.
func isAcceptingConnections(_ connectionString: String) -> Bool {
  unsafe PQping(connectionString) == PQPING_OK
}

// MARK: - C strings

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
  _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
  let bytes = texts.map { Array($0.utf8CString) }
  var offsets: [Int] = []
  var joined: [CChar] = []
  bytes.forEach {
    offsets.append(joined.count)
    joined += $0
  }
  return unsafe joined.withUnsafeBufferPointer { joined in
    let pointers = unsafe offsets.map { unsafe joined.baseAddress?.advanced(by: $0) } + [nil]
    return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
  }
}

/// Calls `body` with a pointer to each parameter's bytes, null for null.
private func withPointers<Result>(
  to parameters: EncodedParameters,
  _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  unsafe parameters.bytes.withUnsafeBytes { bytes in
    // An empty value alone has no bytes, and must not look like null.
    let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
    let empty = [CChar](repeating: 0, count: 1)
    return unsafe empty.withUnsafeBufferPointer { empty in
      let start = unsafe base ?? empty.baseAddress
      let pointers = unsafe parameters.offsets.map { offset in
        unsafe offset.flatMap { unsafe start?.advanced(by: $0) }
      }
      return unsafe pointers.withUnsafeBufferPointer { unsafe body($0) }
    }
  }
}

@unsafe
private func firstLine(_ message: UnsafeMutablePointer<CChar>?) -> String {
  let text = unsafe message.map { unsafe String(cString: $0) } ?? ""
  return text.split(separator: "\n").first.map(String.init) ?? "no reason given"
}
