import CLI
import EventLog
import Foundation
import JSON
import ProjectionRuntime
import ReadModels
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
    running system.
    """,
  arguments: [names], options: [allOption, checkOption, .json]
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
      let reports = try await rebuilder.check()
      for report in reports { Output.line(asJSON ? json(report).text : text(report)) }
      return reports.allSatisfy(\.isEqual) ? .success : .foundWrong
    }
    for report in try await rebuilder.rebuild() {
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
  let known = ReadModels.all.map { $0.name }
  for name in asked where !known.contains(name) {
    throw UsageError(
      "There is no read model '\(name)'. There is \(known.joined(separator: ", ")).",
      suggestion: nearest(to: name, among: known), command: "rebuild")
  }
  return ReadModels.all.filter { asked.isEmpty || asked.contains($0.name) }
}

private func text(_ report: RebuildReport) -> String {
  "\(report.projection): rebuilt up to position \(report.position),"
    + " \(report.consumedCount) events folded"
}

private func json(_ report: RebuildReport) -> JSON {
  [
    "projection": .string(report.projection), "position": JSON(Int64(report.position)),
    "events": JSON(report.consumedCount),
  ]
}

private func text(_ report: CheckReport) -> String {
  let verdict = report.isEqual ? "equal" : "DIFFERENT"
  var lines = ["\(report.projection): \(verdict) at position \(report.position)"]
  if !report.isSameHistory {
    lines.append("  the live rows were folded from other events than the log holds")
  }
  for table in report.tables {
    lines.append("  \(table.name)  live \(table.live)")
    guard !table.isEqual else { continue }
    lines.append("  \(table.name)  log  \(table.rebuilt)")
    if let key = table.firstDifference { lines.append("  the first row that differs: \(key)") }
  }
  return lines.joined(separator: "\n")
}

private func json(_ report: CheckReport) -> JSON {
  [
    "projection": .string(report.projection), "position": JSON(Int64(report.position)),
    "equal": .bool(report.isEqual), "same_history": .bool(report.isSameHistory),
    "tables": .array(
      report.tables.map { table in
        [
          "name": .string(table.name), "equal": .bool(table.isEqual),
          "live": .string("\(table.live)"), "rebuilt": .string("\(table.rebuilt)"),
          "first_difference": JSON(table.firstDifference),
        ]
      }),
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
    return "\(progress.projection): \(progress.phase.rawValue),"
      + " \(progress.position) of \(progress.head), \(rate) events/s\(left)"
  }
}
