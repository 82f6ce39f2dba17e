import LMDB

// Blocks with other bytes and the same events: what erasing and compacting make.

extension LoadedBlock {
  /// The block's content, taken apart again. `dictionary` is that of its sealed parts.
  func content(_ dictionaries: LogDictionaries) throws -> BlockContent {
    let header = directory.header
    return BlockContent(
      firstPosition: header.firstPosition, recordedAtMicros: header.recordedAtMicros,
      dictionary: header.dictionaryID == 0 ? nil : try dictionaries.dictionary(header.dictionaryID),
      tables: directory.tables, payload: payloadInOrder, commitments: commitments, sealed: sealed)
  }

  private var payloadInOrder: [UInt8] {
    var ordered: [UInt8] = []
    ordered.reserveCapacity(payload.count)
    for event in directory.events {
      let count = directory.parts[event.firstPart].byteCount
      ordered.append(contentsOf: payload[event.payloadOffset..<event.payloadOffset + count])
    }
    return ordered
  }
}

extension BlockContent {
  /// Takes out the sealed bytes of the parts whose subject `isDropped` names; their commitments stay. False where
  /// there was nothing to take out.
  mutating func drop(_ isDropped: (BlockDirectory.Subject, OrgID) -> Bool) -> Bool {
    let dropped = tables.subjects.map { isDropped($0, tables.orgs[$0.orgIndex].id) }
    guard dropped.contains(true) else { return false }
    var kept: [UInt8] = []
    kept.reserveCapacity(sealed.count)
    var offset = 0
    var isChanged = false
    for index in tables.parts.indices where tables.parts[index].storage == .sealed {
      let count = tables.parts[index].byteCount
      if dropped[tables.parts[index].subjectIndex] {
        tables.parts[index].storage = .dropped
        tables.parts[index].byteCount = 0
        isChanged = true
      } else {
        kept.append(contentsOf: sealed[offset..<offset + count])
      }
      offset += count
    }
    sealed = kept
    return isChanged
  }
}
