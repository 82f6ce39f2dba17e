import Dispatch
import Synchronization

/// Blocks that whichever thread is free examines, and what was found in them: step by step, in the order of the log. Who has
/// examined the last block of a step goes on with the next step.
final class ExaminationQueue: Sendable {
  private struct Step {
    let blocks: [LogVerifier.RawBlock]
    var findings: [BlockFindings?]
    var leftCount: Int
  }

  private struct State {
    /// Those that were not taken out yet.
    var steps: [Step] = []
    /// How many were.
    var takenCount = 0
    /// The block that is examined next. Steps are counted from the first one that there ever was.
    var next = (step: 0, place: 0)
    var isOver = false
  }

  private struct Job {
    let step: Int
    let place: Int
    let block: LogVerifier.RawBlock
  }

  private let state = Mutex(State())
  /// One for each block that nobody has begun with.
  private let waiting = DispatchSemaphore(value: 0)
  /// One for each step that was completed.
  private let completed = DispatchSemaphore(value: 0)

  /// `blocks`: at least one.
  func add(_ blocks: [LogVerifier.RawBlock]) {
    state.withLock { state in
      state.steps.append(
        Step(
          blocks: blocks, findings: Array(repeating: nil, count: blocks.count),
          leftCount: blocks.count))
    }
    for _ in blocks { waiting.signal() }
  }

  /// Steps that were not taken out yet.
  var stepCount: Int { state.withLock { $0.steps.count } }

  /// Takes the first step out, once all of its blocks are examined: helps until then. nil where there is none.
  func takeFirst(helpingWith examiner: BlockExaminer) -> [BlockFindings]? {
    guard stepCount > 0 else { return nil }
    while true {
      if let findings = firstCompleted() { return findings }
      if waiting.wait(timeout: .now()) == .success, let job = begin() {
        examine(job, examiner)
      } else {
        completed.wait()
      }
    }
  }

  /// Examines blocks until `end`.
  func work(_ examiner: BlockExaminer) {
    while true {
      waiting.wait()
      guard let job = begin() else { return }
      examine(job, examiner)
    }
  }

  /// Lets `threadCount` threads return from `work`; what they have not begun with is left.
  func end(threadCount: Int) {
    state.withLock { $0.isOver = true }
    for _ in 0..<threadCount { waiting.signal() }
  }

  private func begin() -> Job? {
    state.withLock { state in
      let index = state.next.step - state.takenCount
      guard !state.isOver, index < state.steps.count else { return nil }
      let (step, place) = state.next
      let blocks = state.steps[index].blocks
      state.next = place + 1 < blocks.count ? (step, place + 1) : (step + 1, 0)
      return Job(step: step, place: place, block: blocks[place])
    }
  }

  private func examine(_ job: Job, _ examiner: BlockExaminer) {
    let findings = examiner.examine(job.block)
    let isComplete = state.withLock { state in
      let index = job.step - state.takenCount
      state.steps[index].findings[job.place] = findings
      state.steps[index].leftCount -= 1
      return state.steps[index].leftCount == 0
    }
    if isComplete { completed.signal() }
  }

  private func firstCompleted() -> [BlockFindings]? {
    state.withLock { state in
      guard let step = state.steps.first, step.leftCount == 0 else { return nil }
      state.steps.removeFirst()
      state.takenCount += 1
      return step.findings.compactMap(\.self)
    }
  }
}

/// Threads that examine what is in a queue, as nice as the one that starts them.
struct ExaminingThreads {
  private let queue: ExaminationQueue
  private let count: Int
  private let group = DispatchGroup()

  init(_ queue: ExaminationQueue, store: LogStore, _ examination: Examination, count: Int) {
    self.queue = queue
    self.count = count
    for _ in 0..<count {
      group.enter()
      BackgroundThread.start(.lowest) { [group] in
        queue.work(BlockExaminer(store: store, examination))
        group.leave()
      }
    }
  }

  /// Returns when they have ended.
  func end() {
    queue.end(threadCount: count)
    group.wait()
  }
}
