import Synchronization
import Testing

@testable import API

/// Those who came in, and who of them waits behind a door.
private final class Customers: Sendable {
  let gate: FairGate<String>
  private let state = Mutex((served: [String](), waiting: [CheckedContinuation<Void, Never>]()))

  init(width: Int = 1) { gate = FairGate(width: width, lineLimit: 4) }

  var served: [String] { state.withLock { $0.served } }

  /// Comes in, is served, and leaves when told to.
  func enter(_ name: String) async throws(APIError) {
    try await gate.pass(String(name.prefix(1))) { () async throws(APIError) in
      await withCheckedContinuation { continuation in
        state.withLock { state in
          state.served.append(name)
          state.waiting.append(continuation)
        }
      }
    }
  }

  /// Whether they were served.
  func come(_ name: String) -> Task<Bool, Never> {
    Task {
      do throws(APIError) {
        try await enter(name)
        return true
      } catch {
        #expect(error.status == 503 && error.code == "overloaded" && error.isRetryable)
        return false
      }
    }
  }

  /// One after the other, until all have left.
  func serveAll() async {
    while gate.count > 0 {
      let next = state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
      next?.resume()
      await Task.yield()
    }
  }
}

@Suite struct FairGateTests {
  /// Goal: whoever brings many keeps nobody out. Method: one who brings seven, others one each; letters are keys.
  @Test func `the first of everybody comes before the second of anybody`() async {
    let customers = Customers()
    var tasks: [String: Task<Bool, Never>] = [:]
    tasks["a1"] = customers.come("a1")
    while customers.served.isEmpty { await Task.yield() }
    for number in 2...5 {
      tasks["a\(number)"] = customers.come("a\(number)")
      while customers.gate.count < number { await Task.yield() }
    }
    // The line is full: further ones of the same key are turned away, those of others are not.
    #expect(await customers.come("a6").value == false)
    tasks["b1"] = customers.come("b1")
    #expect(await tasks["a5"]?.value == false)
    tasks["c1"] = customers.come("c1")
    #expect(await tasks["a4"]?.value == false)
    #expect(customers.gate.count == 5)
    await customers.serveAll()
    for name in ["a1", "a2", "a3", "b1", "c1"] { #expect(await tasks[name]?.value == true) }
    #expect(customers.served == ["a1", "b1", "c1", "a2", "a3"])
    #expect(customers.gate.count == 0)
  }

  /// Goal: whoever came while nobody waited is not behind all that another brings later. Method: one is inside throughout, so
  /// that the gate is never empty, and one comes and goes a hundred times.
  @Test func `what was had without a line counts for nobody's place in it`() async throws {
    let customers = Customers(width: 2)
    var tasks = [customers.come("h1")]
    while customers.served.isEmpty { await Task.yield() }
    for _ in 0..<100 { try await customers.gate.pass("a") { () async throws(APIError) in } }
    for (count, name) in ["b1", "b2", "b3", "b4", "a1"].enumerated() {
      tasks.append(customers.come(name))
      while customers.gate.count < count + 2 || customers.served.count < 2 { await Task.yield() }
    }
    await customers.serveAll()
    for task in tasks { #expect(await task.value) }
    #expect(customers.served == ["h1", "b1", "b2", "a1", "b3", "b4"])
  }

  @Test func `a line of equals is served in turn, and one more is refused`() async {
    let customers = Customers()
    var tasks: [Task<Bool, Never>] = []
    for (count, name) in ["a", "b", "c", "d", "e"].enumerated() {
      tasks.append(customers.come(name))
      while customers.gate.count < count + 1 || customers.served.isEmpty { await Task.yield() }
    }
    #expect(await customers.come("f").value == false)
    await customers.serveAll()
    for task in tasks { #expect(await task.value) }
    #expect(customers.served == ["a", "b", "c", "d", "e"])
  }
}
