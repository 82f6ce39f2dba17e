import Bench
import CLI
import Spelling

private let name = Argument(
  "NAME", .one, "one of \(Bench.names.joined(separator: ", ")), or all")
private let caseOption = Option("--case", value: "CASE", "only this case")
private let eventsOption = Option(
  "--events", value: "N", "size of the logs that reading is measured on; 300000")
private let contactsOption = Option(
  "--contacts", value: "N", "size of the org that lists and segments are measured on; 100000")
private let recipientsOption = Option(
  "--recipients", value: "N", "people whom the blast texts; 50000")

let benchCommand = Command(
  "bench", "measure this machine: figures beside the device's own limit",
  details: """
    Works in a temporary folder and touches no log of yours. With --json each figure is
    one object a line: bench, case, metric, value and, where there is one, the floor:
    what the device alone does in the same run.
    """,
  arguments: [name], options: [caseOption, eventsOption, contactsOption, recipientsOption, .json]
) { invocation in
  var options = Bench.Options()
  options.caseName = invocation.value(caseOption.flag)
  if let text = invocation.value(eventsOption.flag) {
    options.eventCount = Int(try wholeNumber(text, eventsOption.flag, in: "bench"))
  }
  if let text = invocation.value(contactsOption.flag) {
    options.contactCount = Int(try wholeNumber(text, contactsOption.flag, in: "bench"))
  }
  if let text = invocation.value(recipientsOption.flag) {
    options.recipientCount = Int(try wholeNumber(text, recipientsOption.flag, in: "bench"))
  }
  let asked = invocation.argument(name.name)
  let isKnown = try await Bench.run(
    name: asked, json: invocation.has(Option.json.flag), options: options
  ) { Output.line($0) }
  guard isKnown else {
    throw UsageError(
      "There is no benchmark '\(asked)'.", suggestion: nearest(to: asked, among: Bench.names),
      command: "bench")
  }
  return .success
}
