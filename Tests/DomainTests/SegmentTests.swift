import Domain
import Testing

@Suite struct SegmentTests {
  static let vip = Filter.condition(
    Filter.Condition(field: "tags", comparison: .contains, value: .text("vip")))
  static let created = Segment.Event.created(name: "VIP", filter: vip)

  @Test func `a segment is created once, with a name`() {
    Given(Segment.self).when(.create(name: "VIP", filter: Self.vip)).then(Self.created)
    Given(Segment.self, Self.created).when(.create(name: "VIP", filter: Self.vip))
      .thenRejected(.alreadyExists)
    Given(Segment.self).when(.create(name: " ", filter: Self.vip)).thenRejected(.emptyName)
    Given(Segment.self, Self.created).when(.update(name: "", filter: nil))
      .thenRejected(.emptyName)
  }

  @Test func `an update names the whole definition, and only where it changes`() {
    Given(Segment.self, Self.created).when(.update(name: "Best", filter: nil))
      .then(.updated(name: "Best", filter: Self.vip))
    Given(Segment.self, Self.created).when(.update(name: nil, filter: .all([])))
      .then(.updated(name: "VIP", filter: .all([])))
    Given(Segment.self, Self.created).when(.update(name: "VIP", filter: nil)).thenNothing()
  }

  @Test func `a deleted segment takes nothing`() {
    Given(Segment.self, Self.created).when(.delete).then(.deleted)
    Given(Segment.self, Self.created, .deleted).when(.delete).thenNothing()
    Given(Segment.self, Self.created, .deleted).when(.update(name: "x", filter: nil))
      .thenRejected(.notFound)
    Given(Segment.self).when(.delete).thenRejected(.notFound)
    Given(Segment.self).when(.update(name: "x", filter: nil)).thenRejected(.notFound)
  }

  @Test func `a filter on a field that contacts do not have is refused`() {
    let wrong = Filter.any([
      Self.vip,
      .not(.condition(Filter.Condition(field: "shoe", comparison: .equals, value: .text("9")))),
    ])
    let problem = Filter.Problem(path: ".any[1].not.field", message: "is not a field of contacts")
    Given(Segment.self).when(.create(name: "x", filter: wrong))
      .thenRejected(.invalidFilter(problem))
  }
}
