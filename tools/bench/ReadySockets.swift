import Glibc

/// Which of many connections have something to read: one thread looks after all of them, so that as little as
/// possible of the machine goes into measuring.
struct ReadySockets {
  private let descriptors: [Int32]
  private var waiting: [pollfd]

  /// Watches `clients`, which are known by their place in the array.
  init(_ clients: [LoadClient]) {
    descriptors = clients.map(\.descriptor)
    waiting = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
  }

  /// The places of those that can be read now; waits for the first, and gives none after the time.
  mutating func wait(timeoutMillis: Int32) -> [Int] {
    guard unsafe poll(&waiting, nfds_t(waiting.count), timeoutMillis) > 0 else { return [] }
    return waiting.indices.filter { waiting[$0].revents != 0 }
  }

  /// Looks no more at the one at `place`: poll passes over negative descriptors.
  mutating func ignore(_ place: Int) { waiting[place].fd = -1 }

  /// Looks at all of them again.
  mutating func heedAll() {
    for place in waiting.indices { waiting[place].fd = descriptors[place] }
  }
}
