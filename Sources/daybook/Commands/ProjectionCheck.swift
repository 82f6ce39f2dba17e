import CLI
import Domain
import EventLog
import JSON
import Postgres
import ProjectionRuntime

private let sampleOption = Option(
  "--sample", "one org picked at random: costs what the org is large")
private let orgOption = Option("--org", value: "ORG", "this org alone")

let projectionCheckCommand = Command(
  "projection check", "fold again and compare with the live rows",
  details: """
    Changes nothing. Where rows differ it names the first of them and the event from
    which on it is wrong. Exit code 0 where all rows are equal, and 2 where not. The
    projector does the same for a picked org all the time.
    """,
  arguments: [oneReadModel], options: [sampleOption, orgOption, .json]
) { invocation in
  let projection = try readModel(invocation, in: "projection check")
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let org = try org(invocation, reader)
  let reports = try await withDatabase(invocation.settings) { connectionString in
    guard let org else {
      return try await Rebuilder(
        reader: reader, connectionString: connectionString, projections: [projection]
      ).check()
    }
    return [
      try SampleCheck.run(projection, org: org, reader, PostgresConnection(connectionString))
    ]
  }
  for report in reports {
    Output.line(
      invocation.has(Option.json.flag) ? CheckLines.json(report).text : CheckLines.text(report))
  }
  return reports.allSatisfy(\.isEqual) ? .success : .foundWrong
}

/// The org to look at; nil: all of them.
private func org(_ invocation: Invocation, _ reader: LMDBLogReader) throws -> Identifier? {
  if let text = invocation.value(orgOption.flag) {
    return Identifier(.org, try daybook.org(text, in: "projection check").value)
  }
  guard invocation.has(sampleOption.flag) else { return nil }
  guard let picked = try SampleCheck.pickOrg(reader) else {
    throw UsageError(
      "No org is small enough for a sample: check all.", command: "projection check")
  }
  return picked
}

/// How a check is told.
enum CheckLines {
  static func text(_ report: CheckReport) -> String {
    let verdict = report.isEqual ? "equal" : "DIFFERENT"
    var lines = ["\(report.projection): \(verdict) at position \(report.position)"]
    if !report.isSameHistory {
      lines.append("  the live rows were folded from other events than the log holds")
    }
    if !report.unjudgedOrgs.isEmpty {
      let names = report.unjudgedOrgs.map(\.text).joined(separator: ", ")
      lines.append("  left out, because somebody there is being erased: \(names); ask again later")
    }
    for table in report.tables {
      lines.append("  \(table.name)  live \(table.live)")
      if !table.isEqual { lines += differences(table) }
    }
    return lines.joined(separator: "\n")
  }

  private static func differences(_ table: CheckReport.Table) -> [String] {
    var lines = ["  \(table.name)  log  \(table.rebuilt)"]
    lines.append("  in \(table.differingOrgs.map(\.text).joined(separator: ", "))")
    if let key = table.firstDifference {
      let event = table.firstEvent.map { "from position \($0) on" } ?? "no event makes it"
      lines.append("  the first row that differs: \(key), \(event)")
    }
    return lines
  }

  static func json(_ report: CheckReport) -> JSON {
    [
      "projection": .string(report.projection), "position": JSON(Int64(report.position)),
      "equal": .bool(report.isEqual), "same_history": .bool(report.isSameHistory),
      "unjudged_accounts": .array(report.unjudgedOrgs.map { .string($0.text) }),
      "tables": .array(
        report.tables.map { table in
          [
            "name": .string(table.name), "equal": .bool(table.isEqual),
            "live": .string("\(table.live)"), "rebuilt": .string("\(table.rebuilt)"),
            "first_difference": JSON(table.firstDifference),
            "first_event": JSON(table.firstEvent.map(Int64.init)),
            "differing_accounts": .array(table.differingOrgs.map { .string($0.text) }),
          ]
        }),
    ]
  }
}
