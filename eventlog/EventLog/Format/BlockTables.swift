/// Who and what a block's events are, in the order of the log: what the directory says.
struct BlockTables {
  var orgs: [BlockDirectory.Org] = []
  var types: [String] = []
  /// In the order of their first events.
  var streams: [BlockDirectory.Stream] = []
  /// In the order of their first parts.
  var subjects: [BlockDirectory.Subject] = []
  /// Of the commits' contexts.
  var texts: [String] = []
  var commits: [BlockDirectory.CommitRecord] = []
  var events: [BlockDirectory.EventRecord] = []
  /// Of each event: the org's part, then the personal ones.
  var parts: [BlockDirectory.PartRecord] = []

  mutating func removeAll() {
    orgs.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    streams.removeAll(keepingCapacity: true)
    subjects.removeAll(keepingCapacity: true)
    texts.removeAll(keepingCapacity: true)
    commits.removeAll(keepingCapacity: true)
    events.removeAll(keepingCapacity: true)
    parts.removeAll(keepingCapacity: true)
  }
}

extension BlockTables {
  /// As its caller gave it.
  func context(of commit: BlockDirectory.CommitRecord) -> CommitContext {
    let stored = commit.context
    return CommitContext(
      actor: texts[stored.actor], origin: texts[stored.origin],
      correlation: PackedText.unpack(
        stored.correlation.form, prefix: texts[stored.correlation.prefix],
        value: stored.correlation.value),
      causation: stored.causation, depth: stored.depth,
      occurredAtMicros: stored.occurredAtMicros)
  }
}

// MARK: - The payload frame

extension BlockTables {
  /// The org's parts, given in the order of the events, type by type: what is alike lies together, and
  /// compresses better.
  func groupedByType(_ payload: [UInt8]) -> [UInt8] {
    guard types.count > 1 else { return payload }
    var ends = firstOffsets()
    var grouped = [UInt8](repeating: 0, count: payload.count)
    var source = 0
    for event in events {
      let count = parts[event.firstPart].byteCount
      let target = ends[event.typeIndex]
      grouped.copy(payload, from: source, count: count, to: target)
      ends[event.typeIndex] = target + count
      source += count
    }
    return grouped
  }

  /// Where each event's org part lies in the payload frame.
  mutating func findPayloads() {
    var offsets = firstOffsets()
    for index in events.indices {
      let type = events[index].typeIndex
      events[index].payloadOffset = offsets[type]
      offsets[type] += parts[events[index].firstPart].byteCount
    }
  }

  private func firstOffsets() -> [Int] {
    var offsets = [Int](repeating: 0, count: types.count)
    for event in events { offsets[event.typeIndex] += parts[event.firstPart].byteCount }
    var next = 0
    for type in offsets.indices {
      let count = offsets[type]
      offsets[type] = next
      next += count
    }
    return offsets
  }
}
