import Testing

@testable import Supervisor

@Suite struct RestartPolicyTests {
  @Test func `short lives are answered with longer and longer pauses, up to a bound`() {
    var policy = RestartPolicy()
    let delays = (0..<10).map { _ in policy.delayAfterEnd(ranSeconds: 1) }
    #expect(delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15, 15])
  }

  @Test func `a long life is forgiven`() {
    var policy = RestartPolicy()
    for _ in 0..<5 { _ = policy.delayAfterEnd(ranSeconds: 1) }
    #expect(policy.delayAfterEnd(ranSeconds: 3600) == 0.2)
  }

  @Test func `a process that always fails at once never overflows the delay`() {
    var policy = RestartPolicy()
    for _ in 0..<10_000 { _ = policy.delayAfterEnd(ranSeconds: 0) }
    #expect(policy.delayAfterEnd(ranSeconds: 0) == 15)
  }
}
