import Domain

/// Which workflows listen, and which contacts are on their way through one.
struct RunIndex {
  struct Key: Hashable {
    let workflow: Identifier
    let contact: Identifier
  }

  /// Workflows with the org sequence of their first version: they react to what came after it.
  private(set) var publishedAt: [Identifier: UInt64] = [:]
  private(set) var active: [Key: Identifier] = [:]
  private(set) var startedAtMicros: [Identifier: Micros] = [:]

  mutating func apply(_ event: Workflow.Event, of workflow: Identifier, orgSequence: UInt64) {
    guard case .published(let version, _, _) = event, version == 1 else { return }
    publishedAt[workflow] = orgSequence
  }

  mutating func apply(
    _ event: WorkflowRun.Event, of run: Identifier, state: WorkflowRun.State,
    occurredAtMicros: Micros
  ) {
    guard let workflow = state.workflow, let contact = state.contact else { return }
    let key = Key(workflow: workflow, contact: contact)
    switch event {
    case .started:
      active[key] = run
      startedAtMicros[run] = occurredAtMicros
    case .completed, .failed:
      active[key] = nil
      startedAtMicros[run] = nil
    case .stepAdvanced, .waiting:
      break
    }
  }
}
