import Testing

@testable import EventLog

@Suite struct WriterQueueTests {
  @Test func `a full queue refuses commits and takes what the writer itself needs`() {
    let queue = WriterQueue(maxCount: 2, maxBytes: 1_000)
    #expect(queue.add(.commit(queued(10))) == nil)
    #expect(queue.add(.commit(queued(10))) == nil)
    #expect(queue.add(.commit(queued(10))) == .overloaded(waiting: 2))
    #expect(queue.add(.task { _ in }) == nil)
    #expect(queue.takeAll()?.count == 3)
    // One commit always fits, and no other with it.
    #expect(queue.add(.commit(queued(5_000))) == nil)
    #expect(queue.add(.commit(queued(1))) == .overloaded(waiting: 1))
    #expect(queue.add(.task { _ in }) == nil)
    queue.close()
    #expect(queue.add(.task { _ in }) == .closed)
    #expect(queue.takeAll()?.count == 2)
    #expect(queue.takeAll() == nil)
  }

  @Test func `what is gathered is taken at once, and anything else sooner`() async throws {
    let queue = WriterQueue(maxCount: 100, maxBytes: 1_000)
    queue.gather(25)
    async let taken = Task.detached { queue.takeAll()?.count }.value
    for _ in 0..<3 {
      try await Task.sleep(for: .milliseconds(20))
      #expect(queue.add(.commit(queued(10))) == nil)
    }
    #expect(await taken == 3)

    queue.gather(25)
    #expect(queue.add(.commit(queued(10))) == nil)
    #expect(queue.add(.task { _ in }) == nil)
    #expect(queue.takeAll()?.count == 2)

    queue.gather(25)
    #expect(queue.add(.commit(queued(10))) == nil)
    async let rest = Task.detached { queue.takeAll()?.count }.value
    try await Task.sleep(for: .milliseconds(20))
    queue.gather(0)
    #expect(await rest == 1)
  }

  private func queued(_ byteCount: Int) -> Queued {
    Queued(commit: commit([event(1)]), pending: PendingAppend(), byteCount: byteCount)
  }
}
