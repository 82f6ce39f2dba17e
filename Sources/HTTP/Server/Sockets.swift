// The only file that calls CSockets: listening sockets, addresses, epoll.

import CSockets
import Glibc

/// A bound, listening TCP socket.
struct Listener: Sendable {
  let descriptor: Int32
  let port: Int

  init(host: String, port: Int, backlog: Int32 = 4096) throws(HTTPError) {
    guard (0...65535).contains(port) else { throw .addressInvalid(host: host, port: port) }
    var boundPort: Int32 = 0
    let result = unsafe daybook_listen(host, Int32(port), backlog, &boundPort)
    guard result >= 0 else { throw Self.error(result, host: host, port: port) }
    descriptor = result
    self.port = Int(boundPort)
  }

  func close() { _ = Glibc.close(descriptor) }

  /// A connection's socket, whoever gets it closes it, and its peer's `sockaddr`.
  struct Accepted: Sendable {
    let descriptor: Int32
    let address: [UInt8]
  }

  enum Acceptance {
    case connection(Accepted)
    /// It was gone before it was taken.
    case nothing
    /// The process or the system has no more files or memory; the connection goes on waiting.
    case exhausted
    /// `endAccepting` was called.
    case ended
  }

  /// Waits for a connection.
  func accept() -> Acceptance {
    var address = [UInt8](repeating: 0, count: Int(daybook_address_bytes_max))
    var count: Int32 = 0
    let result = unsafe daybook_accept(descriptor, &address, &count)
    guard result < 0 else {
      return .connection(
        Accepted(descriptor: result, address: Array(address.prefix(Int(count)))))
    }
    switch -result {
    case EINVAL, EBADF: return .ended
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
    // "Linux accept() passes already-pending network errors on the new socket as an error code." Source: accept(2).
    default: return .nothing
    }
  }

  /// Ends `accept`, running or next; who connects from now on is refused.
  func endAccepting() { daybook_shutdown(descriptor) }

  static func pause(millis: UInt32) { daybook_pause(millis) }

  private static func error(_ result: Int32, host: String, port: Int) -> HTTPError {
    switch -result {
    case -Int32(daybook_address_invalid), EADDRNOTAVAIL:
      .addressInvalid(host: host, port: port)
    case EADDRINUSE: .portInUse(host: host, port: port)
    case EACCES, EPERM: .addressNotPermitted(host: host, port: port)
    default: .system(function: "listen", errno: -result)
    }
  }
}

enum SocketAddress {
  /// 4 bytes of an IPv4 address or 16 of an IPv6 address, in network order; nil for other families.
  ///
  /// `address` is a whole `sockaddr` of its family.
  static func bytes(_ address: UnsafeRawPointer) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = unsafe daybook_address_bytes(address, &bytes)
    return count > 0 ? Array(bytes.prefix(Int(count))) : nil
  }

  /// Of an IPv4 or IPv6 address: in network order behind the family, in both (ip(7), ipv6(7)).
  static func port(_ address: UnsafeRawPointer) -> Int {
    Int(unsafe address.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian)
  }

  /// The bytes of an address in text form; nil where it is none.
  static func bytes(text: String) -> [UInt8]? {
    guard !text.utf8.contains(0) else { return nil }
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = unsafe daybook_address_parse(text, &bytes)
    return count > 0 ? Array(bytes.prefix(Int(count))) : nil
  }

  /// An address without port; an IPv4 address mapped into IPv6 as IPv4.
  static func text(_ bytes: [UInt8]) -> String {
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    if bytes.starts(with: mapped) { return text(Array(bytes.dropFirst(12))) }
    precondition(bytes.count == 16, "an IPv6 address has 16 bytes")
    var characters = [CChar](repeating: 0, count: 46)
    unsafe daybook_ipv6_text(bytes, &characters)
    return String(
      decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// Says when a peer has hung up. MHD does not look at a suspended connection's socket at all, so a
/// stream with nothing to send would never learn that nobody listens any more.
final class HangUpPoll: Sendable {
  private let epoll: Int32
  private let bell: Int32
  private static let bellToken = UInt64.max

  init() throws(HTTPError) {
    epoll = daybook_epoll_create()
    bell = daybook_eventfd_create()
    guard epoll >= 0, bell >= 0, daybook_epoll_add_readable(epoll, bell, Self.bellToken) == 0 else {
      let code = errno
      closeDescriptors()
      throw .system(function: "epoll", errno: code)
    }
  }

  deinit { closeDescriptors() }

  /// From now on `wait` returns `token`, once, when the peer of `descriptor` closes its side.
  func watch(_ descriptor: Int32, token: UInt64) {
    _ = daybook_epoll_add_hangup(epoll, descriptor, token)
  }

  func unwatch(_ descriptor: Int32) { _ = daybook_epoll_remove(epoll, descriptor) }

  /// Ends a `wait`, running or next.
  func ring() { daybook_eventfd_ring(bell) }

  /// Tokens of peers that hung up; none after the time or a `ring`.
  func wait(timeoutMillis: Int32) -> [UInt64] {
    var tokens = [UInt64](repeating: 0, count: 64)
    let count = unsafe daybook_epoll_wait(epoll, &tokens, timeoutMillis)
    return tokens.prefix(Int(max(0, count))).filter { $0 != Self.bellToken }
  }

  /// Ends both directions of a socket: its owner sees the end of the stream.
  static func hangUp(_ descriptor: Int32) { daybook_shutdown(descriptor) }

  private func closeDescriptors() {
    if epoll >= 0 { _ = close(epoll) }
    if bell >= 0 { _ = close(bell) }
  }
}
