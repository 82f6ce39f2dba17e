// The only file that calls libmicrohttpd 0.9.75. Everything unsafe about it stays below this line:
// connection pointers, callbacks with untyped context, and who may call what on which thread.
// Quotations are from microhttpd.h.

import CMicroHTTPD
import CMicroHTTPDPages
import Glibc

/// A running daemon: an epoll loop on each of a few threads.
///
/// `@unchecked Sendable`: the handle never changes, and MHD's functions on a daemon may be called
/// from any thread.
@safe
final class MicroHTTPD: @unchecked Sendable {
  private let daemon: OpaquePointer
  private let core: ServerCore

  init(tls: HTTPTLS?, core: ServerCore) throws(HTTPError) {
    let pem: (key: [CChar], certificate: [CChar])? = try tls.map { (tls) throws(HTTPError) in
      try (OpenFile.text(path: tls.keyPath), OpenFile.text(path: tls.certificatePath))
    }
    // MHD copies neither; GnuTLS has read both when MHD_start_daemon returns.
    let started = unsafe (pem?.key ?? []).withUnsafeBufferPointer { key in
      unsafe (pem?.certificate ?? []).withUnsafeBufferPointer { certificate in
        Self.tlsPriorities.withUTF8Buffer { priorities in
          unsafe Self.start(
            key: tls == nil ? nil : key.baseAddress,
            certificate: tls == nil ? nil : certificate.baseAddress,
            priorities: UnsafeRawPointer(priorities.baseAddress)?.assumingMemoryBound(
              to: CChar.self), core: core)
        }
      }
    }
    guard let started = unsafe started else { throw .startFailed(usesTLS: tls != nil) }
    unsafe daemon = started
    self.core = core
  }

  private static let tlsPriorities: StaticString = "NORMAL:-VERS-ALL:+VERS-TLS1.3"

  private static func start(
    key: UnsafePointer<CChar>?, certificate: UnsafePointer<CChar>?,
    priorities: UnsafePointer<CChar>?, core: ServerCore
  ) -> OpaquePointer? {
    unsafe daybook_mhd_replace_pages(onPage)
    let limits = core.limits
    var config = unsafe daybook_mhd_config(
      threads: UInt32(limits.threads),
      // Never reached, by `Acceptor`: a worker that comes to its limit with a connection that was added waits for itself.
      connection_limit: UInt32(limits.threads * (limits.maxConnections + 64)),
      idle_timeout_seconds: UInt32(limits.idleTimeoutSeconds),
      connection_memory_bytes: limits.connectionMemoryBytes,
      tls_key: key, tls_certificate: certificate, tls_priorities: priorities)
    // Unretained: `stop` keeps the core alive until the last callback has returned.
    return unsafe daybook_mhd_start(
      &config, onAccept, onRequest, onTarget, onCompleted, onConnection,
      Unmanaged.passUnretained(core).toOpaque())
  }

  /// Serves a connection, on the thread whose turn it is, or closes it where `core` does not admit it.
  /// False where it was closed.
  func add(_ accepted: Listener.Accepted) -> Bool {
    unsafe daybook_mhd_add_connection(
      daemon, accepted.descriptor, accepted.address, socklen_t(accepted.address.count)) != 0
  }

  /// Closes every connection and joins the threads. Blocks. No connection may be suspended ("it is an
  /// API violation to call MHD_stop_daemon while having suspended connections").
  func stop() {
    withExtendedLifetime(core) { unsafe MHD_stop_daemon(daemon) }
  }
}

/// A connection inside a callback of the daemon, the only place where it may be suspended.
@safe
struct RunningConnection {
  fileprivate let handle: OpaquePointer

  func suspend() -> SuspendedConnection {
    unsafe MHD_suspend_connection(handle)
    return unsafe SuspendedConnection(handle: handle)
  }
}

/// A connection that waits for `resume`.
///
/// `@unchecked Sendable`: "It is safe to resume a suspended connection at any time", from any thread,
/// and a suspended connection is not freed. `resume` is called once: "Calling this function on a
/// connection that was not previously suspended will result in undefined behavior."
@safe
struct SuspendedConnection: @unchecked Sendable {
  fileprivate let handle: OpaquePointer

  func resume() { unsafe MHD_resume_connection(handle) }
}

// MARK: - Callbacks, on the daemon's threads

private func core(_ context: UnsafeMutableRawPointer?) -> ServerCore {
  guard let context = unsafe context else { preconditionFailure("MHD lost its context") }
  return unsafe Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
}

private func connection(_ handle: OpaquePointer) -> Connection {
  guard let context = unsafe daybook_mhd_socket_context(handle) else {
    preconditionFailure("a request on a connection that was never announced")
  }
  return unsafe Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
}

/// "called to check which clients will be allowed to connect": none once the server stops, and none of who has
/// too many connections. They see the connection closed before they could send anything.
///
/// Not `MHD_quiesce_daemon`: it takes the listening socket out of each worker's epoll set, and so does a
/// worker that sees itself quiesced or at its limit. Whoever is second aborts the process (daemon.c,
/// "Failed to remove listen FD from epoll set").
private func onAccept(
  context: UnsafeMutableRawPointer?, address: UnsafePointer<sockaddr>?, addressBytes: socklen_t
) -> MHD_Result {
  let core = unsafe core(context)
  guard !core.isStopping else { return .NO }
  let bytes = unsafe address.flatMap { unsafe SocketAddress.bytes(UnsafeRawPointer($0)) }
  return bytes.map { core.admits($0) } ?? true ? .YES : .NO
}

/// "whenever a connection is started or closed": the socket's context is a retained `Connection`.
private func onConnection(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  code: MHD_ConnectionNotificationCode
) {
  guard let handle = unsafe handle, let socketContext = unsafe socketContext else { return }
  let core = unsafe core(context)
  if code == .CONNECTION_NOTIFY_STARTED {
    let address = unsafe daybook_mhd_connection_address(handle).flatMap {
      unsafe SocketAddress.bytes($0)
    }
    let connection = core.connected(
      descriptor: unsafe daybook_mhd_connection_fd(handle), address: address)
    unsafe socketContext.pointee = Unmanaged.passRetained(connection).toOpaque()
  } else if let opaque = unsafe socketContext.pointee {
    unsafe core.disconnected(Unmanaged<Connection>.fromOpaque(opaque).takeRetainedValue())
    unsafe socketContext.pointee = nil
  }
}

/// Called with the target as sent, before MHD cuts and decodes it in place.
///
/// The query is ours to take apart: MHD would make a record of each parameter in the connection's memory, and where that
/// is full, at some two hundred, it neither answers nor closes. It reads them from its own buffer once this has
/// returned, up to a zero byte; `Head` goes by where the parts lie, and not by what is in them.
private func onTarget(
  context: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, handle: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let target = unsafe target, let handle = unsafe handle else { return nil }
  unsafe connection(handle).requestStarted(target: String(cString: target))
  if let mark = unsafe strchr(UnsafeMutablePointer(mutating: target), Int32(UInt8(ascii: "?"))) {
    // Where nothing follows the mark, this is the zero byte that ends the target.
    unsafe mark[1] = 0
  }
  return nil
}

/// Called for the head, for each part of the body, at the end, and after each resumption.
private func onRequest(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?, url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?,
  uploadSize: UnsafeMutablePointer<Int>?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let handle = unsafe handle, let uploadSize = unsafe uploadSize, let method = unsafe method,
    let requestContext = unsafe requestContext
  else { return .NO }
  guard let opaque = unsafe requestContext.pointee else {
    let head = unsafe Head(
      of: handle, method: method, target: url, version: version,
      targetBytes: connection(handle).targetBytes)
    let headers = head.headers
    let exchange = unsafe core(context).begin(
      method: String(cString: method), headers: headers, isIntact: head.isIntact,
      needsHost: head.needsHost, connection: connection(handle))
    exchange.connection.bodyBegins(at: head.end)
    unsafe requestContext.pointee = Unmanaged.passRetained(exchange).toOpaque()
    guard let fault = exchange.faultOfHead, Framing.refusesAtOnce(fault, headers) else {
      return .YES
    }
    return unsafe queue(exchange.refusal(fault), for: exchange, on: handle)
  }
  let exchange = unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeUnretainedValue()
  if unsafe uploadSize.pointee > 0 {
    let bytes = unsafe UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee)
    unsafe uploadSize.pointee = 0
    if exchange.isChunked, unsafe !hasSoundLines(before: upload, on: exchange.connection) {
      exchange.receiveBrokenLines()
    }
    return unsafe exchange.receive(bytes.bytes) ? .YES : .NO
  }
  if exchange.isChunked, unsafe !hasRoom(on: handle, exchange.connection.limits) {
    exchange.receiveTooManyTrailers()
  }
  switch unsafe exchange.advance(RunningConnection(handle: handle)) {
  case .wait: return .YES
  case .abort: return .NO
  case .respond(let prepared): return unsafe queue(prepared, for: exchange, on: handle)
  }
}

/// Whether the lines before a piece of a chunked body are as HTTP says, as far as they are still there: MHD takes
/// a line feed alone, a carriage return alone and some more for the end of a line.
///
/// A piece that is not at the start of the buffer has nothing before it but what was read with it: the end of
/// the chunk before, and its own size. MHD takes no size without a byte behind its line feed, so that one without
/// a carriage return is always seen here.
private func hasSoundLines(
  before piece: UnsafePointer<CChar>?, on connection: Connection
) -> Bool {
  let (start, end) = (connection.bodyStart, UInt(bitPattern: piece))
  guard end > start, end - start <= UInt(connection.limits.connectionMemoryBytes) else {
    return true
  }
  let bytes = unsafe UnsafeRawBufferPointer(
    start: UnsafeRawPointer(bitPattern: start), count: Int(end - start))
  return unsafe Framing.endsInSoundLine(bytes.bytes)
}

/// "called whenever a request has been completed", well or not.
private func onCompleted(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  code: MHD_RequestTerminationCode
) {
  guard let requestContext = unsafe requestContext, let opaque = unsafe requestContext.pointee
  else { return }
  unsafe requestContext.pointee = nil
  unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeRetainedValue().completed()
}

/// The head of a request as MHD took it apart, in place: each part is ended by zero bytes that stand for the
/// blank, the colon or the CR LF behind it.
///
/// MHD 0.9.75 takes more than HTTP allows, and differently from proxies: a line feed alone ends a line, a zero
/// byte ends a value, a line that is continued on the next joins the *name* before it, a line that begins with
/// a colon ends the head. What follows is then another request here, and part of this one elsewhere. Where
/// the parts lie gives all of it away.
private struct Head {
  private(set) var headers = HTTPHeaders(capacity: 12)
  /// The parts follow one another as HTTP says, with nothing between them.
  private(set) var isIntact: Bool
  /// From HTTP/1.1 on. Source: RFC 9112, section 3.2.
  let needsHost: Bool
  /// Where the body begins, and the buffer for it, as an address.
  private(set) var end: UInt = 0
  /// Where the next line has to begin, as an address.
  private var nextLine: UInt

  /// `targetBytes`: the length of the target as it was sent, before MHD cut and decoded it in place.
  init(
    of handle: OpaquePointer, method: UnsafePointer<CChar>, target: UnsafePointer<CChar>?,
    version: UnsafePointer<CChar>?, targetBytes: Int
  ) {
    let start = UInt(bitPattern: method)
    let (targetStart, versionStart) = (UInt(bitPattern: target), UInt(bitPattern: version))
    isIntact =
      unsafe targetStart == start + UInt(strlen(method)) + 1
      && versionStart == targetStart + UInt(targetBytes) + 1
    needsHost = unsafe version.map { unsafe strcmp($0, "HTTP/1.0") != 0 } ?? true
    nextLine = versionStart + UInt("HTTP/1.1".utf8.count) + 2
    unsafe withUnsafeMutablePointer(to: &self) { head in
      _ = unsafe MHD_get_connection_values_n(
        handle, .HEADER_KIND,
        { context, _, name, nameSize, value, valueSize in
          let name = unsafe UnsafeRawBufferPointer(start: name, count: nameSize)
          let value = unsafe UnsafeRawBufferPointer(start: value, count: valueSize)
          unsafe context?.assumingMemoryBound(to: Head.self).pointee.add(name, value)
          return .YES
        }, head)
    }
    end = unsafe start + UInt(daybook_mhd_head_bytes(handle))
    if nextLine + 2 != end { isIntact = false }
  }

  private mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if UInt(bitPattern: name.baseAddress) != nextLine { isIntact = false }
    nextLine = UInt(bitPattern: value.baseAddress) + UInt(value.count) + 2
    let (name, value) = unsafe (
      String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)
    )
    headers.add(name, Self.isFraming(name) ? value : Self.trimmed(value))
  }

  /// What MHD itself reads with the blanks: to it `45 ` is no length and `chunked ` no coding, so that they must not be to us.
  private static func isFraming(_ name: String) -> Bool {
    HTTPHeaders.equal(name, "Content-Length") || HTTPHeaders.equal(name, "Transfer-Encoding")
  }

  /// Without the tabs and blanks around it, of which MHD drops blanks before it alone (RFC 9110, section 5.5).
  private static func trimmed(_ value: String) -> String {
    func isBlank(_ byte: UInt8?) -> Bool {
      byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
    guard isBlank(value.utf8.first) || isBlank(value.utf8.last) else { return value }
    return String(ASCII.trimmed(value[...]))
  }
}

// MARK: - Responses

private func queue(
  _ prepared: Exchange.Prepared, for exchange: Exchange, on handle: OpaquePointer
) -> MHD_Result {
  if prepared.closesConnection, unsafe !hasRoom(on: handle, exchange.connection.limits) {
    unsafe say(prepared, on: handle)
    return .NO
  }
  guard let response = unsafe makeResponse(prepared.body, exchange, handle) else { return .NO }
  // MHD keeps its own reference while it sends.
  defer { unsafe MHD_destroy_response(response) }
  if prepared.isHead, case .stream = prepared.body {
    unsafe daybook_mhd_end_with_connection(response)
  }
  let fields = prepared.fields.span
  for index in fields.indices { unsafe add(fields[index], to: response) }
  if prepared.closesConnection {
    _ = unsafe MHD_add_response_header(response, "Connection", "close")
  }
  return unsafe daybook_mhd_queue_response(handle, UInt32(prepared.status), response)
}

/// Whether MHD can build the head of an answer: see `HTTPLimits.hasRoom`. The fields behind a chunked body take their
/// room as those of the head do.
private func hasRoom(on handle: OpaquePointer, _ limits: HTTPLimits) -> Bool {
  var trailerBytes = 0
  let trailerCount = unsafe MHD_get_connection_values_n(
    handle, .FOOTER_KIND,
    { context, _, _, nameSize, _, valueSize in
      unsafe context?.assumingMemoryBound(to: Int.self).pointee += nameSize + valueSize + 4
      return .YES
    }, &trailerBytes)
  let fieldCount = unsafe MHD_get_connection_values_n(handle, .HEADER_KIND, nil, nil)
  return limits.hasRoom(
    headBytes: Int(unsafe daybook_mhd_head_bytes(handle)) + trailerBytes,
    fieldCount: Int(fieldCount + trailerCount))
}

/// The last words on a connection, past MHD, which would say nothing.
private func say(_ prepared: Exchange.Prepared, on handle: OpaquePointer) {
  guard case .bytes(let body) = prepared.body else { return }
  let fields = prepared.fields.map { "\($0.name): \($0.value)\r\n" }.joined()
  unsafe daybook_mhd_say(handle, UInt32(prepared.status), fields, body, body.count)
}

/// Called where the daemon is about to send a page of its own: what stands there instead.
private func onPage(handle: OpaquePointer, status: UInt32) -> OpaquePointer? {
  let refusal = unsafe connection(handle).refusal(status: Int(status))
  guard case .bytes(let bytes) = refusal.body else { return nil }
  guard let response = unsafe makeResponse(bytes) else { return nil }
  for field in refusal.headers.fields { unsafe add(field, to: response) }
  return unsafe response
}

/// Fields were checked; what MHD refuses now is a second Connection or Date field.
private func add(_ field: HTTPHeaders.Field, to response: OpaquePointer) {
  // Where they lie: a string that is passed as it is would be copied for the call.
  unsafe field.name.withCString { name in
    unsafe field.value.withCString { value in
      _ = unsafe MHD_add_response_header(response, name, value)
    }
  }
}

private func makeResponse(_ bytes: [UInt8]) -> OpaquePointer? {
  unsafe bytes.withUnsafeBytes { bytes in
    unsafe MHD_create_response_from_buffer(
      bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
      MHD_ResponseMemoryMode.RESPMEM_MUST_COPY)
  }
}

private func makeResponse(
  _ body: Exchange.Prepared.Body, _ exchange: Exchange, _ handle: OpaquePointer
) -> OpaquePointer? {
  switch body {
  case .bytes(let bytes): return unsafe makeResponse(bytes)
  case .file(let file):
    // The response closes its descriptor, and `file` its own.
    guard let descriptor = file.duplicate() else { return nil }
    return unsafe MHD_create_response_from_fd64(file.byteCount, descriptor)
  case .stream:
    let reader = unsafe Unmanaged.passRetained(StreamReader(exchange: exchange, handle: handle))
    return unsafe MHD_create_response_from_callback(
      // Chunks are written into the pool; this buffer is for clients that know no chunks, and each stream holds one.
      UInt64.max, 1 << 8, onRead, reader.toOpaque(),
      { context in
        guard let context = unsafe context else { return }
        unsafe Unmanaged<StreamReader>.fromOpaque(context).release()
      })
  }
}

/// What the content reader gets: its exchange and the connection it may suspend.
@safe
private final class StreamReader {
  let exchange: Exchange
  let connection: RunningConnection

  init(exchange: Exchange, handle: OpaquePointer) {
    self.exchange = exchange
    connection = unsafe RunningConnection(handle: handle)
  }
}

/// "returning zero should only be used in conjunction with MHD_suspend_connection()".
private func onRead(
  context: UnsafeMutableRawPointer?, position: UInt64, buffer: UnsafeMutablePointer<CChar>?,
  capacity: Int
) -> Int {
  guard let context = unsafe context else { return -2 }
  let reader = unsafe Unmanaged<StreamReader>.fromOpaque(context).takeUnretainedValue()
  let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: capacity)
  var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
  let reading = reader.exchange.read(into: &output, reader.connection)
  _ = unsafe output.finalize(for: memory)
  switch reading {
  case .bytes(let count): return count
  case .wait: return 0
  case .end: return -1  // MHD_CONTENT_READER_END_OF_STREAM
  case .abort: return -2  // MHD_CONTENT_READER_END_WITH_ERROR
  }
}
