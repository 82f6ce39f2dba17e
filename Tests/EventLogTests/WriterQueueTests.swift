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

  private func queued(_ byteCount: Int) -> Queued {
    Queued(commit: commit([event(1)]), pending: PendingAppend(), byteCount: byteCount)
  }
}
