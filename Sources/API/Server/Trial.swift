import Application
import Domain
import JSON
import Synchronization

/// The answer to a write with `dry_run`, whatever the write: the events that would follow, and beside them what is
/// special to it.
enum Trial {
  static func json(
    _ events: [PlannedEvent], _ more: [(key: String, value: JSON)] = []
  ) -> JSON {
    json(events.map { event($0.type, $0.subject.kind, $0.isNew ? nil : $0.subject) }, more)
  }

  static func json(_ events: [JSON], _ more: [(key: String, value: JSON)]) -> JSON {
    .object(
      JSONObject(
        [("object", "dry_run"), ("dry_run", true), ("events", .array(events))] + more))
  }

  /// `count`: of so many such events, which are not told one by one.
  static func event(
    _ type: String, _ kind: Identifier.Kind, _ id: Identifier?, count: Int? = nil
  ) -> JSON {
    var event = JSONObject([
      ("type", .string(type)),
      ("subject", ["type": .string(kind.name), "id": JSON(id?.text)]),
    ])
    if let count { event["count"] = JSON(count) }
    return .object(event)
  }

  /// `properties`: what is special to the write.
  static func schema(_ name: String, _ properties: [Schema.Property] = []) -> Schema {
    .object(
      name,
      [
        .required("object", .constant("dry_run")), .required("dry_run", .bool, "Always true."),
        .required("events", .array(event), "What would be written, in order."),
      ] + properties)
  }

  private static let event = Schema.object([
    .required("type", .string()),
    .required(
      "subject",
      .object([
        .required("type", .string()),
        .required("id", .string().nullable, "null: it would come to be with the write."),
      ])),
    .optional("count", .count, "Of an import: how many of them."),
  ])
}

extension Exchange {
  /// What `body` would write into an account's book, and what it answers.
  func tried<Output: Sendable>(
    in executor: OrgExecutor,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(APIError) -> (events: [PlannedEvent], output: Output) {
    let output = Mutex<Output?>(nil)
    do {
      let call = Call(
        actor: knownCaller?.actor ?? "operator", origin: "api", correlation: requestID)
      let events = try await executor.preview(call) { workspace throws(CommandError) in
        let answer = try body(&workspace)
        output.withLock { $0 = answer }
      }
      guard let output = output.withLock({ $0 }) else {
        preconditionFailure("what was decided has answered")
      }
      return (events, output)
    } catch {
      throw APIError(error)
    }
  }
}
