import CReadySockets
import Glibc

/// Which of many connections have something to read: one thread looks after all of them, and the kernel remembers what it looks
/// after, so that as little as possible of the machine goes into measuring.
final class ReadySockets {
  private let descriptor: Int32
  private var places = [UInt32](repeating: 0, count: Int(ready_max))

  /// Watches `clients`, which are known by their place in the array.
  init(_ clients: [LoadClient]) throws {
    descriptor = ready_open()
    guard descriptor >= 0 else { throw LoadClient.Broken() }
    for (place, client) in clients.enumerated() {
      guard ready_watch(descriptor, client.descriptor, UInt32(place)) == 0 else {
        throw LoadClient.Broken()
      }
    }
  }

  deinit { close(descriptor) }

  /// The places of some that can be read now; waits for the first, and gives none after the time.
  func wait(timeoutMillis: Int32) -> [Int] {
    let count = unsafe ready_wait(descriptor, &places, timeoutMillis)
    return places.prefix(max(0, Int(count))).map(Int.init)
  }
}
