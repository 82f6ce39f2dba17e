import CLI
import EventLog
import Foundation
import JSON
import ProjectionRuntime
import ReadModels
import Supervisor
import Synchronization

private let names = Argument("NAME", .many, "a read model, as 'daybook projection list' names it")
private let allOption = Option("--all", "every read model")
private let checkOption = Option(
  "--check", "change nothing: fold again and compare with the live rows")

let rebuildCommand = Command(
  "rebuild", "fold read models anew from the log",
  details: """
    The new rows are made beside the live ones and take their place at the end:
    readers notice nothing. With --check the exit code is 0 where live and rebuilt
    rows have the same digest, and 2 where they differ. Works with and without a
    running system. Ctrl-C leaves everything as it was; what was replaced is kept for
    a day: 'daybook projection rollback'.
    """,
  arguments: [names], options: [allOption, checkOption, .json], isLongRunning: true
) { invocation in
  let projections = try chosen(invocation)
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let asJSON = invocation.has(Option.json.flag)
  return try await withDatabase(invocation.settings) { connectionString in
    let meter = ProgressLines()
    let rebuilder = Rebuilder(
      reader: reader, connectionString: connectionString, projections: projections
    ) { meter.show($0) }
    if invocation.has(checkOption.flag) {
      let reports = try await cancelledBySignal { try await rebuilder.check() }
      for report in reports {
        Output.line(asJSON ? CheckLines.json(report).text : CheckLines.text(report))
      }
      return reports.allSatisfy(\.isEqual) ? .success : .foundWrong
    }
    for report in try await cancelledBySignal({ try await rebuilder.rebuild() }) {
      Output.line(asJSON ? json(report).text : text(report))
    }
    return .success
  }
}

private func chosen(_ invocation: Invocation) throws(UsageError) -> [any Projection.Type] {
  let asked = invocation.arguments(names.name)
  guard asked.isEmpty == invocation.has(allOption.flag) else {
    throw UsageError("Name read models, or give --all.", command: "rebuild")
  }
  for name in asked { _ = try readModel(named: name, in: "rebuild") }
  return ReadModels.all.filter { asked.isEmpty || asked.contains($0.name) }
}

/// Ctrl-C undoes what was built so far: the live rows were never touched.
private func cancelledBySignal<Result: Sendable>(
  _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let work = Task { try await body() }
  let request = SupervisedProcess.stopRequest(followsInput: false)
  Task {
    _ = await request.value()
    Output.error("  cancelling ...")
    work.cancel()
  }
  return try await work.value
}

private func text(_ report: RebuildReport) -> String {
  "\(report.projection): rebuilt up to position \(report.position),"
    + " \(report.consumedCount) events folded"
    + (report.parkedCount > 0 ? ", \(report.parkedCount) PARKED" : "")
}

private func json(_ report: RebuildReport) -> JSON {
  [
    "projection": .string(report.projection), "position": JSON(Int64(report.position)),
    "events": JSON(report.consumedCount), "parked": JSON(report.parkedCount),
  ]
}

/// Says on standard error how far each rebuild is, now and then. What is done within a moment needs
/// no progress.
private final class ProgressLines: Sendable {
  private static let pause = Duration.seconds(2)
  private let lastShown = Mutex<[String: ContinuousClock.Instant]>([:])

  func show(_ progress: RebuildProgress) {
    let isDue = lastShown.withLock { lastShown in
      let now = ContinuousClock.now
      guard let last = lastShown[progress.projection] else {
        lastShown[progress.projection] = now
        return false
      }
      guard now - last >= Self.pause else { return false }
      lastShown[progress.projection] = now
      return true
    }
    if isDue { Output.error("  " + line(progress)) }
  }

  private func line(_ progress: RebuildProgress) -> String {
    let rate = Int(progress.eventsPerSecond)
    let left = progress.remainingSeconds.map { ", \(Int($0)) s left" } ?? ""
    return "\(bar(progress)) \(progress.projection): \(progress.phase.rawValue),"
      + " \(progress.position) of \(progress.head), \(rate) events/s\(left)"
  }

  private func bar(_ progress: RebuildProgress) -> String {
    let width = 20
    let share = Double(progress.position) / Double(max(1, progress.head))
    let full = min(width, Int(share * Double(width)))
    return "[" + String(repeating: "#", count: full)
      + String(repeating: ".", count: width - full) + "]"
  }
}
