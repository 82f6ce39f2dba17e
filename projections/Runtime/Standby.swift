import Synchronization

/// Whether rounds of read models wait. Whoever watches the machine says so; lanes look before each round.
package final class Standby: Sendable {
  private let isOrdered = Atomic<Bool>(false)

  package init() {}

  package var isOn: Bool {
    get { isOrdered.load(ordering: .relaxed) }
    set { isOrdered.store(newValue, ordering: .relaxed) }
  }
}
