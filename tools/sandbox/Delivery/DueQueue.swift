/// What is due when: a binary heap, earliest first. Equal times come out in the order in which they came.
struct DueQueue<Element> {
  private struct Entry {
    let dueMillis: Int64
    let ordinal: Int
    let element: Element

    func isBefore(_ other: Entry) -> Bool {
      (dueMillis, ordinal) < (other.dueMillis, other.ordinal)
    }
  }

  private var heap: [Entry] = []
  private var ordinal = 0

  var earliestMillis: Int64? { heap.first?.dueMillis }

  /// O(log n).
  mutating func insert(_ element: Element, dueMillis: Int64) {
    ordinal += 1
    heap.append(Entry(dueMillis: dueMillis, ordinal: ordinal, element: element))
    var index = heap.count - 1
    while index > 0 {
      let parent = (index - 1) / 2
      guard heap[index].isBefore(heap[parent]) else { return }
      heap.swapAt(index, parent)
      index = parent
    }
  }

  /// Takes the earliest element where its time has come. O(log n).
  mutating func takeFirst(dueBy nowMillis: Int64) -> Element? {
    guard let first = heap.first, first.dueMillis <= nowMillis else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    sink()
    return first.element
  }

  private mutating func sink() {
    var index = 0
    while true {
      var smallest = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
        if heap[child].isBefore(heap[smallest]) { smallest = child }
      }
      guard smallest != index else { return }
      heap.swapAt(index, smallest)
      index = smallest
    }
  }
}
