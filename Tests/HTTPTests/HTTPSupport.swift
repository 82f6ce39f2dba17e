import Dispatch
import Glibc
import HTTP
import Synchronization
import Testing

/// Runs `body` with a server on a free port of the loopback, and stops it afterwards.
func withServer(
  limits: HTTPLimits = HTTPLimits(), tls: HTTPTLS? = nil, graceMillis: Int = 0,
  errorResponder: @escaping HTTPServer.ErrorResponder = { $0.defaultResponse },
  isBrief: @escaping HTTPServer.Brevity = { _ in false },
  isPatient: @escaping HTTPServer.Patience = { _ in false },
  allowance: HTTPServer.Allowance? = nil,
  handler: @escaping HTTPServer.Handler,
  _ body: (HTTPServer) async throws -> Void
) async throws {
  let server = try HTTPServer(
    host: "127.0.0.1", port: 0, limits: limits, tls: tls, errorResponder: errorResponder,
    isBrief: isBrief, isPatient: isPatient, allowance: allowance, handler: handler)
  do {
    try await body(server)
  } catch {
    await server.stop(graceMillis: 0)
    throw error
  }
  await server.stop(graceMillis: graceMillis)
}

extension HTTPServer {
  func url(_ target: String) -> String { "http://127.0.0.1:\(port)\(target)" }
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Counts from 1, from any thread.
final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

/// A plain TCP client that can break every rule of HTTP. Blocks, at most ten seconds a read.
final class RawClient: Sendable {
  struct ConnectFailure: Error { let errno: Int32 }

  private let descriptor: Int32

  init(port: Int, receiveBufferBytes: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var timeout = timeval(tv_sec: 10, tv_usec: 0)
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    if var bytes = receiveBufferBytes {
      _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, 4)
    }
    // sockaddr_in: family (host order), port, address 127.0.0.1, eight bytes of nothing.
    var address: [UInt8] = [
      2, 0, UInt8(port >> 8), UInt8(port & 255), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    let code = unsafe address.withUnsafeMutableBytes { bytes in
      unsafe connect(
        descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
    }
    guard code == 0 else { throw ConnectFailure(errno: errno) }
  }

  deinit { close(descriptor) }

  func send(_ text: String) { send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes { bytes in
        unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }

  /// What arrives until the text contains `end`, or until the server closes. Waits on a thread of
  /// its own: the pool of the concurrency runtime is the server's too.
  func read(until end: String? = nil) async -> String {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "raw client").async { [self] in
        continuation.resume(returning: readNow(until: end))
      }
    }
  }

  private func readNow(until end: String?) -> String {
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      received += buffer.prefix(count)
      if let end, text(received).contains(end) { break }
    }
    return text(received)
  }

  /// Closes with a reset, as a killed client's kernel does on unread bytes.
  func reset() {
    var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    _ = shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// Whether the end of the connection was reached, rather than the time of a read.
  var isClosedByPeer: Bool {
    var byte: UInt8 = 0
    return unsafe recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) == 0
  }

  func closeWriting() { _ = shutdown(descriptor, Int32(SHUT_WR)) }
}
