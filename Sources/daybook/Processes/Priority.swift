import Foundation
import Glibc

/// Lets every other process of this machine go first: for what may be behind for a while, beside those whose
/// answers somebody waits for. To be called while there are few threads.
///
/// Under Linux each thread has a nice value of its own, and threads that it starts inherit it (setpriority(2)).
func giveWay() {
  let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
  for thread in threads.compactMap({ UInt32($0) }) {
    // Refused at worst: it only goes on as before.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), thread, 10)
  }
}
