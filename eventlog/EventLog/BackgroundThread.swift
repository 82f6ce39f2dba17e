import Glibc

/// A thread of the log's own: for loops that wait for most of their life, and for work that nobody waits for at the log, which
/// takes what those who append and read leave of the cores.
///
/// A queue's class changes nothing under Linux; a nice value does, which there each thread has for itself (setpriority(2),
/// "C library/kernel differences"). Only the privileged may raise it again, so the thread ends with its work and goes to no pool.
enum BackgroundThread {
  /// A nice value.
  enum Priority: Int32 {
    /// A tenth of what a thread gets that is not nice, where both want the same core: what lives in the writer's process holds
    /// locks now and then that the writer wants.
    case low = 10
    /// A seventieth: what reads the log from its own process, or nearly so.
    case lowest = 19
  }

  /// `priority` nil: as urgent as its process. The queues of a process have 255 threads together, tasks' among them: where
  /// all of those wait, nothing goes on any more.
  static func start(_ priority: Priority? = nil, _ body: @escaping @Sendable () -> Void) {
    pthread_detach(make(priority, body))
  }

  private static func make(
    _ priority: Priority?, _ body: @escaping @Sendable () -> Void
  ) -> pthread_t {
    var thread = pthread_t()
    let code = unsafe pthread_create(&thread, nil, runWork, Work(priority, body).pointer)
    precondition(code == 0, "a process of ours can start a thread")
    return thread
  }
}

/// What pthread_create(3) hands over.
private final class Work: Sendable {
  let priority: BackgroundThread.Priority?
  let body: @Sendable () -> Void

  init(_ priority: BackgroundThread.Priority?, _ body: @escaping @Sendable () -> Void) {
    self.priority = priority
    self.body = body
  }

  /// Given back by `runWork`.
  var pointer: UnsafeMutableRawPointer { unsafe Unmanaged.passRetained(self).toOpaque() }
}

private func runWork(_ work: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let work = unsafe work else { return nil }
  let begun = unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue()
  if let priority = begun.priority {
    // Where it is refused, the work is done all the same: at everybody's priority.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, priority.rawValue)
  }
  begun.body()
  return nil
}

extension BackgroundThread {
  /// What `body` returns or throws; the calling thread waits for it.
  static func run<Result, Failure: Error>(
    _ priority: Priority, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Only the other thread touches them until it is joined.
    nonisolated(unsafe) var outcome: Swift.Result<Result, Failure>?
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let body = body
      let thread = make(priority) {
        unsafe outcome = Swift.Result { () throws(Failure) in try unsafe body() }
      }
      pthread_join(thread, nil)
    }
    guard let outcome = unsafe outcome else {
      preconditionFailure("a thread that was joined has done its work")
    }
    return try outcome.get()
  }
}
