// The only file that calls libcurl 7.88. Everything unsafe about it stays below this line: handles,
// callbacks with untyped context, option types that the compiler does not check. Source of the rules
// quoted here: libcurl-multi(3), libcurl-thread(3).

import CCurl
import Synchronization

/// The multi handle: many transfers, one pool of connections.
///
/// `@unchecked Sendable`: "You must never share the same handle in multiple threads", except for
/// `curl_multi_wakeup`, which "can be called from any thread". All but `wakeUp` is called on the
/// loop's thread only; the last reference frees it, after the loop has ended.
@safe
final class CurlMulti: @unchecked Sendable {
  private let handle: UnsafeMutableRawPointer

  /// "curl_global_init must be called at least once", and once is enough for the process.
  private static let isInitialised = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

  init(settings: HTTPClientSettings) {
    guard Self.isInitialised, let handle = unsafe curl_multi_init() else {
      preconditionFailure("curl_global_init or curl_multi_init failed: no memory")
    }
    unsafe self.handle = unsafe handle
    _ = unsafe daybook_curl_multi_set_long(
      handle, CURLMOPT_MAX_HOST_CONNECTIONS, settings.maxConnectionsPerHost)
    _ = unsafe daybook_curl_multi_set_long(
      handle, CURLMOPT_MAXCONNECTS, settings.maxConnectionsPerHost * 4)
  }

  deinit { unsafe curl_multi_cleanup(handle) }

  /// For the loop's thread, before anything else.
  static func blockSignals() { _ = daybook_block_sigpipe() }

  func wakeUp() { unsafe check("curl_multi_wakeup", curl_multi_wakeup(handle)) }

  func add(_ easy: CurlEasy) throws(HTTPClientError.Reason) {
    guard unsafe curl_multi_add_handle(handle, easy.handle) == CURLM_OK else {
      throw .outOfResources
    }
  }

  func remove(_ easy: CurlEasy) {
    unsafe check("curl_multi_remove_handle", curl_multi_remove_handle(handle, easy.handle))
  }

  func perform() {
    var runningCount: Int32 = 0
    unsafe check("curl_multi_perform", curl_multi_perform(handle, &runningCount))
  }

  func wait(timeoutMillis: Int32) {
    unsafe check("curl_multi_poll", curl_multi_poll(handle, nil, 0, timeoutMillis, nil))
  }

  /// A transfer that has ended, with what went wrong.
  func nextFinished() -> (id: UInt64, reason: HTTPClientError.Reason?)? {
    var leftCount: Int32 = 0
    while let message = unsafe curl_multi_info_read(handle, &leftCount) {
      guard unsafe message.pointee.msg == CURLMSG_DONE,
        let easy = unsafe message.pointee.easy_handle
      else { continue }
      let result = unsafe daybook_curl_message_result(message)
      return (unsafe CurlEasy.transfer(of: easy).id, CurlEasy.reason(result))
    }
    return nil
  }

  private func check(_ function: String, _ code: CURLMcode) {
    precondition(code == CURLM_OK, "\(function) returned \(code.rawValue): misuse or no memory")
  }
}

/// One transfer's handle, on the loop's thread only.
@safe
final class CurlEasy {
  let transfer: Transfer
  fileprivate let handle: UnsafeMutableRawPointer
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var hosts: UnsafeMutablePointer<curl_slist>?

  init(_ transfer: Transfer) throws(HTTPClientError.Reason) {
    guard transfer.isWellFormed else { throw .requestInvalid }
    // curl does not come to the question where the machine has no IPv6.
    if let address = transfer.literalV6, !transfer.settings.addressPolicy.allows(address) {
      throw .addressRefused
    }
    guard let handle = unsafe curl_easy_init() else { throw .outOfResources }
    self.transfer = transfer
    unsafe self.handle = unsafe handle
    try setCallbacks()
    try setLimits()
    try setRequest()
  }

  deinit {
    unsafe curl_easy_cleanup(handle)
    unsafe curl_slist_free_all(headers)
    unsafe curl_slist_free_all(hosts)
  }

  /// "curl_easy_pause can be called from any thread that runs the handle": the loop's.
  func unpause() { unsafe curl_easy_pause(handle, CURLPAUSE_CONT) }

  fileprivate static func transfer(of easy: UnsafeMutableRawPointer) -> Transfer {
    var context: UnsafeMutableRawPointer?
    guard unsafe daybook_curl_get_pointer(easy, CURLINFO_PRIVATE, &context) == CURLE_OK,
      let context = unsafe context
    else { preconditionFailure("a curl handle without its transfer") }
    return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  }
}

// MARK: - Options

extension CurlEasy {
  private func setCallbacks() throws(HTTPClientError.Reason) {
    // Unretained: this object holds the transfer and outlives the handle's last callback.
    let context = unsafe Unmanaged.passUnretained(transfer).toOpaque()
    try check(unsafe daybook_curl_set_pointer(handle, CURLOPT_PRIVATE, context))
    // The handle itself is what the header and prerequest callbacks ask for redirects.
    try check(
      unsafe daybook_curl_set_callbacks(handle, handle, onHeader, onBody, onSocket, onPrerequest))
  }

  private func setLimits() throws(HTTPClientError.Reason) {
    let request = transfer.request
    let settings = transfer.settings
    try set(CURLOPT_NOSIGNAL, 1)
    // A transfer that ends while its name is looked up does not hold up all others: curl would join
    // the thread that waits for the name server. The thread frees its own memory.
    try set(CURLOPT_QUICK_EXIT, 1)
    try set(CURLOPT_PROTOCOLS_STR, "http,https")
    try set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
    // The environment decides nothing: no proxy variables, no .netrc.
    try set(CURLOPT_PROXY, "")
    try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
    try set(CURLOPT_CONNECTTIMEOUT_MS, max(1, request.connectTimeoutMillis))
    // A stream's time is for its head: the loop sees to it.
    try set(CURLOPT_TIMEOUT_MS, transfer.isStream ? 0 : max(1, request.timeoutMillis))
    try set(CURLOPT_MAXAGE_CONN, settings.idleConnectionSeconds)
    try set(CURLOPT_TCP_NODELAY, 1)
    try set(CURLOPT_FOLLOWLOCATION, request.followRedirects ? 1 : 0)
    try set(CURLOPT_MAXREDIRS, 5)
    if let path = settings.authoritiesPath { try set(CURLOPT_CAINFO, path) }
  }

  private func setRequest() throws(HTTPClientError.Reason) {
    let request = transfer.request
    try set(CURLOPT_URL, request.url)
    if let hosts = transfer.settings.hosts { try setHosts(hosts()) }
    try set(CURLOPT_USERAGENT, transfer.settings.userAgent)
    if request.method == "HEAD" {
      try set(CURLOPT_NOBODY, 1)
    } else if !request.body.isEmpty || ["POST", "PUT", "PATCH"].contains(request.method) {
      try set(CURLOPT_POST, 1)
      let byteCount = curl_off_t(request.body.count)
      try check(unsafe daybook_curl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, byteCount))
      try setBody(request.body)
    }
    if request.method != "HEAD" { try set(CURLOPT_CUSTOMREQUEST, request.method) }
    try setHeaders(request.headers)
  }

  /// curl copies POSTFIELDSIZE bytes at once. A null pointer would mean that it reads standard input.
  private func setBody(_ body: [UInt8]) throws(HTTPClientError.Reason) {
    guard !body.isEmpty else { return try set(CURLOPT_COPYPOSTFIELDS, "") }
    let code = unsafe body.withUnsafeBytes { bytes in
      let pointer = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      return unsafe daybook_curl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, pointer)
    }
    try check(code)
  }

  private func setHosts(_ entries: [String]) throws(HTTPClientError.Reason) {
    for entry in entries {
      guard let longer = unsafe curl_slist_append(hosts, entry) else { throw .outOfResources }
      unsafe hosts = unsafe longer
    }
    let list = unsafe UnsafeMutableRawPointer(hosts)
    try check(unsafe daybook_curl_set_pointer(handle, CURLOPT_RESOLVE, list))
  }

  private func setHeaders(_ fields: HTTPHeaders) throws(HTTPClientError.Reason) {
    // Without these curl asks for a 100-continue before larger bodies, and calls every body a form.
    var lines = ["Expect:"]
    if fields["Content-Type"] == nil { lines.append("Content-Type:") }
    // "Name;" is curl's way to say that the value is empty.
    lines += fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
    for line in lines {
      guard let longer = unsafe curl_slist_append(headers, line) else { throw .outOfResources }
      unsafe headers = unsafe longer
    }
    try check(unsafe daybook_curl_set_headers(handle, headers))
  }

  private func set(_ option: CURLoption, _ value: Int) throws(HTTPClientError.Reason) {
    try check(unsafe daybook_curl_set_long(handle, option, value))
  }

  private func set(_ option: CURLoption, _ value: String) throws(HTTPClientError.Reason) {
    try check(unsafe daybook_curl_set_string(handle, option, value))
  }

  private func check(_ code: CURLcode) throws(HTTPClientError.Reason) {
    switch code {
    case CURLE_OK: return
    case CURLE_OUT_OF_MEMORY: throw .outOfResources
    case CURLE_UNKNOWN_OPTION, CURLE_NOT_BUILT_IN:
      preconditionFailure("this libcurl lacks an option that the client needs")
    default: throw .requestInvalid
    }
  }
}

// MARK: - Results

extension CurlEasy {
  /// nil where the answer is whole. Whether it was sent at all is the transfer's to say.
  fileprivate static func reason(_ code: CURLcode) -> HTTPClientError.Reason? {
    switch code {
    case CURLE_OK: nil
    case CURLE_URL_MALFORMAT: .requestInvalid
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .nameNotResolved
    case CURLE_COULDNT_CONNECT: .connectionFailed
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
      CURLE_SSL_INVALIDCERTSTATUS:
      .tlsFailed
    case CURLE_OPERATION_TIMEDOUT: .timeout
    case CURLE_OUT_OF_MEMORY: .outOfResources
    case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_TOO_MANY_REDIRECTS,
      CURLE_UNSUPPORTED_PROTOCOL:
      .responseInvalid
    default: .connectionBroken
    }
  }
}

extension Transfer {
  fileprivate var isWellFormed: Bool {
    let url = request.url.lowercased()
    return (url.hasPrefix("http://") || url.hasPrefix("https://"))
      && request.url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
      && !request.method.isEmpty && request.method.utf8.allSatisfy(ASCII.isToken)
      && request.headers.fields.allSatisfy(\.isWellFormed)
  }

  /// The address that stands in brackets in place of the host's name.
  fileprivate var literalV6: [UInt8]? {
    let rest = request.url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    guard let authority = rest.dropFirst(2).first?.prefix(while: { !"/?#".contains($0) }),
      let host = authority.split(separator: "@").last, host.first == "["
    else { return nil }
    let text = host.dropFirst().prefix { $0 != "]" && $0 != "%" }
    return SocketAddress.bytes(text: String(text))
  }
}

// MARK: - Callbacks, on the loop's thread. The context is the easy handle.

private func bytes(_ data: UnsafeMutablePointer<CChar>?, _ count: Int) -> UnsafeRawBufferPointer {
  unsafe UnsafeRawBufferPointer(start: data, count: count)
}

private func redirectCount(_ easy: UnsafeMutableRawPointer) -> Int {
  var count = 0
  _ = unsafe daybook_curl_get_long(easy, CURLINFO_REDIRECT_COUNT, &count)
  return count
}

/// Called for each line of each head, with its end; the empty line ends one.
private func onHeader(
  data: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?
) -> Int {
  guard let easy = unsafe context else { return 0 }
  let transfer = unsafe CurlEasy.transfer(of: easy)
  let byteCount = size * count
  if byteCount > 2 {
    unsafe transfer.receive(headerLine: bytes(data, byteCount).bytes)
  } else if transfer.status >= 200, !transfer.followsRedirect {
    transfer.headEnded()
  }
  return byteCount
}

/// A number other than the bytes given ends the transfer.
private func onBody(
  data: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?
) -> Int {
  guard let easy = unsafe context else { return 0 }
  let byteCount = size * count
  switch unsafe CurlEasy.transfer(of: easy).receive(body: bytes(data, byteCount).bytes) {
  case .all: return byteCount
  case .paused: return Int(CURL_WRITEFUNC_PAUSE)
  case .refused: return 0
  }
}

/// Called with each resolved address before it is connected to: the one place where a name cannot
/// be resolved a second time to something else.
private func onSocket(
  context: UnsafeMutableRawPointer?, purpose: curlsocktype,
  address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
  guard let easy = unsafe context, let address = unsafe address else { return -1 }
  let place = unsafe UnsafeRawPointer(daybook_curl_address(address))
  let bytes = unsafe SocketAddress.bytes(place)
  let port = bytes.map { _ in unsafe SocketAddress.port(place) }
  guard unsafe CurlEasy.transfer(of: easy).allows(bytes, port: port) else { return -1 }
  return unsafe daybook_curl_open_socket(address)
}

/// Called when there is a connection, before anything is written to it.
private func onPrerequest(
  context: UnsafeMutableRawPointer?, remoteAddress: UnsafeMutablePointer<CChar>?,
  localAddress: UnsafeMutablePointer<CChar>?, remotePort: Int32, localPort: Int32
) -> Int32 {
  guard let easy = unsafe context else { return CURL_PREREQFUNC_ABORT }
  let redirects = unsafe redirectCount(easy)
  let mayWrite = unsafe CurlEasy.transfer(of: easy).mayWriteRequest(redirectCount: redirects)
  return mayWrite ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}
