import Domain
import Testing

@Suite struct WorkflowTests {
  static func definition(_ steps: WorkflowStep...) -> WorkflowDefinition {
    WorkflowDefinition(name: "Follow-up", trigger: .tagAdded("webinar"), steps: steps)
  }

  static let text = WorkflowStep(
    id: "a", action: .sendSMS(body: "Hi", purpose: .marketing), next: "b")
  static let tag = WorkflowStep(id: "b", action: .addTag("done"), next: nil)
  static let small = definition(text, tag)

  @Test func `a workflow is published in versions that stay`() {
    Given(Workflow.self).when(.publish(Self.small, source: "y1"))
      .then(.published(version: 1, definition: Self.small, source: "y1"))
    let first = Workflow.Event.published(version: 1, definition: Self.small, source: "y1")
    let changed = Self.definition(Self.tag)
    Given(Workflow.self, first).when(.publish(changed, source: "y2"))
      .then(.published(version: 2, definition: changed, source: "y2"))
    let state = Workflow.state(
      after: [first, .published(version: 2, definition: changed, source: "y2")])
    #expect(state.versions == [1: Self.small, 2: changed])
    #expect(state.latestVersion == 2)
  }

  @Test func `the same document again is no new version`() {
    Given(Workflow.self, .published(version: 1, definition: Self.small, source: "y1"))
      .when(.publish(Self.small, source: "y1")).thenNothing()
  }

  @Test func `a workflow has a name and steps`() {
    var unnamed = Self.small
    unnamed.name = ""
    Given(Workflow.self).when(.publish(unnamed, source: "")).thenRejected(.emptyName)
    Given(Workflow.self).when(.publish(Self.definition(), source: "")).thenRejected(.noSteps)
  }

  @Test func `a step's id is its own`() {
    Given(Workflow.self).when(.publish(Self.definition(Self.tag, Self.tag), source: ""))
      .thenRejected(.duplicateStep("b"))
  }

  @Test(arguments: [
    WorkflowStep(id: "a", action: .addTag("x"), next: "z"),
    WorkflowStep(id: "a", action: .branch(.replied, then: "z", otherwise: nil), next: nil),
    WorkflowStep(id: "a", action: .branch(.replied, then: nil, otherwise: "z"), next: nil),
  ])
  func `a step leads to a step that is there`(step: WorkflowStep) {
    Given(Workflow.self).when(.publish(Self.definition(step), source: ""))
      .thenRejected(.unknownStep("z"))
  }

  @Test func `pausing and resuming are recorded where they change something`() {
    let published = Workflow.Event.published(version: 1, definition: Self.small, source: "")
    Given(Workflow.self).when(.pause).thenRejected(.notFound)
    Given(Workflow.self).when(.resume).thenRejected(.notFound)
    Given(Workflow.self, published).when(.resume).thenNothing()
    Given(Workflow.self, published).when(.pause).then(.paused)
    Given(Workflow.self, published, .paused).when(.pause).thenNothing()
    Given(Workflow.self, published, .paused).when(.resume).then(.resumed)
  }
}

@Suite struct WorkflowRunTests {
  static let workflow = Identifier(.workflow, 1)
  static let contact = Identifier(.contact, 2)
  static let timer = Identifier(.timer, 3)
  static let started = WorkflowRun.Event.started(
    workflow: workflow, version: 1, contact: contact, firstStep: "a")
  static let start = WorkflowRun.Command.start(
    workflow: workflow, version: 1, contact: contact, firstStep: "a")

  static func advance(_ step: String, to next: String?) -> WorkflowRun.Command {
    .advance(step: step, outcome: "done", message: nil, next: next)
  }

  static func advanced(_ step: String, to next: String?) -> WorkflowRun.Event {
    .stepAdvanced(step: step, outcome: "done", message: nil, next: next)
  }

  @Test func `a run starts once`() {
    Given(WorkflowRun.self).when(Self.start).then(Self.started)
    Given(WorkflowRun.self, Self.started).when(Self.start).thenRejected(.alreadyStarted)
  }

  @Test func `a step is advanced from where the run stands`() {
    Given(WorkflowRun.self, Self.started).when(Self.advance("a", to: "b"))
      .then(Self.advanced("a", to: "b"))
    Given(WorkflowRun.self, Self.started, Self.advanced("a", to: "b"))
      .when(Self.advance("a", to: "b")).thenRejected(.notAtStep("a"))
    Given(WorkflowRun.self).when(Self.advance("a", to: "b")).thenRejected(.notFound)
  }

  @Test func `a run without a next step is complete`() {
    Given(WorkflowRun.self, Self.started).when(Self.advance("a", to: nil))
      .then(Self.advanced("a", to: nil), .completed)
  }

  @Test(arguments: [
    advance("a", to: "b"), .wait(step: "a", timer: timer, untilMicros: 5),
    .fail(step: "a", reason: "x"),
  ])
  func `nothing follows the end`(command: WorkflowRun.Command) {
    Given(WorkflowRun.self, Self.started, Self.advanced("a", to: nil), .completed).when(command)
      .thenRejected(.over)
    Given(WorkflowRun.self, Self.started, .failed(step: "a", reason: "x")).when(command)
      .thenRejected(.over)
  }

  @Test func `a run waits by one timer and goes on from there`() {
    let waiting = WorkflowRun.Event.waiting(step: "a", timer: Self.timer, untilMicros: 5)
    Given(WorkflowRun.self, Self.started)
      .when(.wait(step: "a", timer: Self.timer, untilMicros: 5)).then(waiting)
    Given(WorkflowRun.self, Self.started, waiting)
      .when(.wait(step: "a", timer: Identifier(.timer, 9), untilMicros: 9)).thenNothing()
    Given(WorkflowRun.self, Self.started, waiting).when(Self.advance("a", to: "b"))
      .then(Self.advanced("a", to: "b"))
    let state = WorkflowRun.state(after: [Self.started, waiting])
    #expect(state.status == .waiting && state.timer == Self.timer)
    let onwards = WorkflowRun.evolve(state, with: Self.advanced("a", to: "b"))
    #expect(onwards.status == .running && onwards.timer == nil && onwards.step == "b")
  }

  @Test func `a run fails at its step`() {
    Given(WorkflowRun.self, Self.started).when(.fail(step: "a", reason: "x"))
      .then(.failed(step: "a", reason: "x"))
    Given(WorkflowRun.self, Self.started).when(.fail(step: "b", reason: "x"))
      .thenRejected(.notAtStep("b"))
  }

  @Test func `a run that goes in circles is stopped`() {
    let circles = (0..<WorkflowRun.stepLimit).map { _ in Self.advanced("a", to: "a") }
    Given(WorkflowRun.self, history: [Self.started] + circles).when(Self.advance("a", to: "a"))
      .thenRejected(.tooManySteps(limit: WorkflowRun.stepLimit))
  }
}
