// Calls to the operating system: sockets and files. (epoll: HangUpPoll.swift.)

import Glibc

package enum System {
  static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  /// Raises this process's limit of open files to what its parent allows, and returns it. Each
  /// connection is an open file; the usual soft limit is 1024.
  @discardableResult
  package static func raiseOpenFileLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 0
    }
    let granted = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    let raised = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    return Int(clamping: raised ? limit.rlim_max : granted)
  }
}

// MARK: - Listening

/// A bound, listening TCP socket.
struct Listener {
  let descriptor: Int32
  let port: Int

  init(host: String, port: Int, backlog: Int32 = 4096) throws(HTTPError) {
    guard (0...65535).contains(port) else { throw .addressInvalid(host: host, port: port) }
    let addresses = try unsafe Self.resolve(host: host, port: port)
    defer { unsafe freeaddrinfo(addresses) }
    // localhost is often both families: clients try 127.0.0.1.
    var chosen = unsafe addresses
    var candidate: UnsafeMutablePointer<addrinfo>? = unsafe addresses
    while let address = unsafe candidate {
      if unsafe address.pointee.ai_family == AF_INET {
        unsafe chosen = address
        break
      }
      unsafe candidate = address.pointee.ai_next
    }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = unsafe socket(chosen.pointee.ai_family, type, 0)
    guard descriptor >= 0 else { throw .system(function: "socket", errno: errno) }
    do throws(HTTPError) {
      var on: Int32 = 1
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      guard unsafe bind(descriptor, chosen.pointee.ai_addr, chosen.pointee.ai_addrlen) == 0 else {
        throw Self.bindError(errno, host: host, port: port)
      }
      guard Glibc.listen(descriptor, backlog) == 0 else {
        throw Self.bindError(errno, host: host, port: port)
      }
      self.port = try Self.boundPort(descriptor)
    } catch {
      Self.close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  func close() { Self.close(descriptor) }

  static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

  /// Ends listening at once: the kernel refuses new connections. The descriptor stays open.
  static func refuseConnections(_ descriptor: Int32) {
    _ = shutdown(descriptor, Int32(SHUT_RDWR))
  }

  private static func resolve(
    host: String, port: Int
  ) throws(HTTPError) -> UnsafeMutablePointer<addrinfo> {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host, String(port), &hints, &found)
    guard code == 0, let found = unsafe found else {
      throw .addressInvalid(host: host, port: port)
    }
    return unsafe found
  }

  private static func bindError(_ code: Int32, host: String, port: Int) -> HTTPError {
    switch code {
    case EADDRINUSE: .portInUse(host: host, port: port)
    case EADDRNOTAVAIL: .addressInvalid(host: host, port: port)
    case EACCES, EPERM: .addressNotPermitted(host: host, port: port)
    default: .system(function: "bind", errno: code)
    }
  }

  private static func boundPort(_ descriptor: Int32) throws(HTTPError) -> Int {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getsockname(descriptor, address, &length)
      }
    }
    guard code == 0 else { throw .system(function: "getsockname", errno: errno) }
    // sin_port and sin6_port are at the same place: 2 bytes after the family.
    return unsafe withUnsafeBytes(of: &address) { Int(unsafe $0[2]) << 8 | Int(unsafe $0[3]) }
  }
}

// MARK: - Addresses

enum SocketAddress {
  /// The address of `address` as text, without port; an IPv4 address mapped into IPv6 as IPv4.
  static func text(_ address: UnsafePointer<sockaddr>) -> String {
    guard let bytes = unsafe bytes(address) else { return "unknown" }
    return text(bytes)
  }

  /// 4 bytes of an IPv4 address or 16 of an IPv6 address, in network order; nil for other families.
  static func bytes(_ address: UnsafePointer<sockaddr>) -> [UInt8]? {
    let raw = unsafe UnsafeRawPointer(address)
    // sin_addr is at byte 4, sin6_addr at byte 8.
    switch Int32(unsafe raw.load(as: sa_family_t.self)) {
    case AF_INET: return unsafe Array(UnsafeRawBufferPointer(start: raw + 4, count: 4))
    case AF_INET6: return unsafe Array(UnsafeRawBufferPointer(start: raw + 8, count: 16))
    default: return nil
    }
  }

  static func text(_ bytes: [UInt8]) -> String {
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    if bytes.starts(with: mapped) { return text(Array(bytes.dropFirst(12))) }
    var characters = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard unsafe inet_ntop(AF_INET6, bytes, &characters, socklen_t(characters.count)) != nil else {
      return "unknown"
    }
    return String(
      decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

// MARK: - Files

/// A regular file, open for reading; closed with the last reference, unless its descriptor was taken.
final class OpenFile: Sendable {
  let byteCount: UInt64
  private let descriptor: Int32

  init?(path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    byteCount = UInt64(clamping: status.st_size)
  }

  deinit { close(descriptor) }

  /// Another descriptor of the file, which the caller closes; nil where there are too many.
  func duplicate() -> Int32? {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy < 0 ? nil : copy
  }

  /// The bytes of a small file at `path`, followed by a zero.
  static func text(path: String) throws(HTTPError) -> [CChar] {
    guard let file = OpenFile(path: path), file.byteCount < 1 << 20 else {
      throw .tlsFileUnreadable(path: path, errno: errno == 0 ? EFBIG : errno)
    }
    var bytes = [CChar](repeating: 0, count: Int(file.byteCount) + 1)
    let count = unsafe read(file.descriptor, &bytes, Int(file.byteCount))
    guard count == Int(file.byteCount) else {
      throw .tlsFileUnreadable(path: path, errno: errno)
    }
    return bytes
  }
}
