// The only file that calls epoll.

import CEpoll
import Glibc

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
  func ring() { _ = eventfd_write(bell, 1) }

  /// Tokens of peers that hung up; none after the time or a `ring`.
  func wait(timeoutMillis: Int32) -> [UInt64] {
    var tokens = [UInt64](repeating: 0, count: 64)
    let count = unsafe daybook_epoll_wait(epoll, &tokens, timeoutMillis)
    return tokens.prefix(Int(max(0, count))).filter { $0 != Self.bellToken }
  }

  /// Ends both directions of a socket: its owner sees the end of the stream.
  static func hangUp(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

  private func closeDescriptors() {
    if epoll >= 0 { _ = close(epoll) }
    if bell >= 0 { _ = close(bell) }
  }
}
