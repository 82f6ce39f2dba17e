/// A queue that gives its smallest element first.
struct MinHeap<Element: Comparable> {
  private var elements: [Element] = []

  var isEmpty: Bool { elements.isEmpty }
  var first: Element? { elements.first }

  mutating func insert(_ element: Element) {
    elements.append(element)
    var child = elements.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard elements[child] < elements[parent] else { return }
      elements.swapAt(child, parent)
      child = parent
    }
  }

  mutating func popFirst() -> Element? {
    guard let smallest = elements.first, let last = elements.popLast() else { return nil }
    guard !elements.isEmpty else { return smallest }
    elements[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < elements.count && elements[child] < elements[least] {
        least = child
      }
      guard least != parent else { return smallest }
      elements.swapAt(parent, least)
      parent = least
    }
  }
}

extension MinHeap: Codable where Element: Codable {}

/// Something that waits for a moment.
struct Due: Comparable, Codable {
  let atMicros: Int64
  let id: UInt128

  static func < (left: Due, right: Due) -> Bool {
    (left.atMicros, left.id) < (right.atMicros, right.id)
  }
}
