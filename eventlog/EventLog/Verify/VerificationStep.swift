import Dispatch
import Synchronization

/// Some blocks that are examined together, piece by piece, by whichever thread is free.
///
/// `@unchecked Sendable`: the blocks are not changed, and the rest is under the lock.
final class VerificationStep: Sendable {
  private struct State {
    var nextPiece = 0
    var results: [[BlockFindings]]
  }

  private let blocks: [LogVerifier.RawBlock]
  private let piece: Int
  private let state: Mutex<State>

  init(blocks: [LogVerifier.RawBlock], piece: Int) {
    self.blocks = blocks
    self.piece = piece
    state = Mutex(
      State(results: Array(repeating: [], count: (blocks.count + piece - 1) / piece)))
  }

  /// Examines pieces until none is left.
  func work(_ examiner: BlockExaminer) {
    while let index = take() {
      let range = index * piece..<min((index + 1) * piece, blocks.count)
      let findings = range.map { examiner.examine(blocks[$0]) }
      state.withLock { $0.results[index] = findings }
    }
  }

  private func take() -> Int? {
    state.withLock { state in
      guard state.nextPiece < state.results.count else { return nil }
      defer { state.nextPiece += 1 }
      return state.nextPiece
    }
  }

  /// In the order of the log; after the work.
  var results: [BlockFindings] { state.withLock { $0.results.flatMap(\.self) } }
}

/// One examiner for each thread. The caller's own is one of them.
struct ExaminerPool {
  /// `@unchecked Sendable`: lent to one thread at a time; the group tells when it is given back.
  private final class Box: @unchecked Sendable {
    let examiner: BlockExaminer

    init(_ examiner: BlockExaminer) { self.examiner = examiner }
  }

  private let boxes: [Box]
  private let group = DispatchGroup()

  init(store: LogStore, _ examination: Examination, count: Int) {
    boxes = (0..<count).map { _ in Box(BlockExaminer(store: store, examination)) }
  }

  func examineAlone(_ step: VerificationStep) { step.work(boxes[0].examiner) }

  /// Lets the other threads begin.
  func start(_ step: VerificationStep) {
    for box in boxes.dropFirst() {
      group.enter()
      BackgroundThread.start {
        step.work(box.examiner)
        group.leave()
      }
    }
  }

  /// Helps, and returns when every piece is examined.
  func finish(_ step: VerificationStep) {
    step.work(boxes[0].examiner)
    group.wait()
  }
}
