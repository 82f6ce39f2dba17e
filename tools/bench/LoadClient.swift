import Foundation
import Glibc

/// A connection that sends the same kinds of request again and again: as little as possible of the machine
/// goes into measuring.
final class LoadClient {
  struct Broken: Error {}

  let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  /// How much of an answer is there.
  private var filled = 0

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    // sockaddr_in: family (host order), port, address 127.0.0.1, eight bytes of nothing.
    var address: [UInt8] = [
      2, 0, UInt8(port >> 8), UInt8(port & 255), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    let code = unsafe address.withUnsafeMutableBytes { bytes in
      unsafe connect(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
    }
    // Nobody waits longer than this for an answer.
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var on: Int32 = 1
    _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    guard code == 0 else { throw Broken() }
  }

  deinit { close(descriptor) }

  func send(_ request: [UInt8]) throws {
    let count = unsafe request.withUnsafeBytes { bytes in
      unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    }
    guard count == request.count else { throw Broken() }
  }

  /// The body of a whole answer with a 2xx status; waits for it.
  func answer() throws -> ArraySlice<UInt8> {
    while true {
      try receive(flags: 0)
      if let body = try takeAnswer() { return body }
    }
  }

  /// The same without waiting: nil while it is not there as a whole. To be asked when there is something to read.
  func answerSoFar() throws -> ArraySlice<UInt8>? {
    try receive(flags: MSG_DONTWAIT)
    return try takeAnswer()
  }

  private func takeAnswer() throws -> ArraySlice<UInt8>? {
    guard let head = headEnd(filled) else { return nil }
    guard buffer.starts(with: Self.success), let length = contentLength(head) else {
      throw Broken()
    }
    guard filled >= head + length else { return nil }
    filled = 0
    return buffer[head..<head + length]
  }

  private static let success = Array("HTTP/1.1 2".utf8)
  private static let lengthField = Array("\ncontent-length:".utf8)

  /// What the head that ends at `end` says, found without making a text of it.
  private func contentLength(_ end: Int) -> Int? {
    let name = Self.lengthField
    for start in 0..<max(0, end - name.count) where buffer[start] == name[0] {
      guard zip(buffer[start...], name).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else { continue }
      let value = buffer[(start + name.count)..<end].drop { $0 == 0x20 }
      return value.prefix { (0x30...0x39).contains($0) }.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    return nil
  }

  private func receive(flags: Int) throws {
    let count = unsafe buffer[filled...].withUnsafeMutableBytes { bytes in
      unsafe recv(descriptor, bytes.baseAddress, bytes.count, Int32(flags))
    }
    guard count > 0 else { throw Broken() }
    filled += count
  }

  private func headEnd(_ filled: Int) -> Int? {
    guard filled >= 4 else { return nil }
    for index in 3..<filled where buffer[index] == 10 && buffer[index - 2] == 10 {
      return index + 1
    }
    return nil
  }

  /// Whether what has arrived holds `marker`; false where nothing has, or the connection is over.
  func receives(_ marker: [UInt8]) -> Bool {
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe recv(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT))
    }
    guard count >= marker.count else { return false }
    return (0...count - marker.count).contains { place in
      buffer[place] == marker[0] && buffer[place...].starts(with: marker)
    }
  }
}

/// What another process costs, from /proc.
struct ProcessCost {
  let cpuSeconds: Double
  let residentMiB: Double
  /// The most that it ever held.
  let peakMiB: Double
  let threadCount: Int

  init(pid: Int32) {
    let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    // After the name in brackets: state is field 3, utime and stime are 14 and 15.
    let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
    let ticks = fields.count > 12 ? (Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0) : 0
    cpuSeconds = ticks / 100
    let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    func number(_ name: String) -> Double {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
      return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
        ?? 0
    }
    residentMiB = number("VmRSS") / 1024
    peakMiB = number("VmHWM") / 1024
    threadCount = Int(number("Threads"))
  }
}
