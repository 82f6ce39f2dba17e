internal import Domain
internal import EventCodec
package import EventLog
import Synchronization

/// The end of the log as it was read last, decoded: what one lane has read the other finds here.
package final class RecentBatches: Sendable {
  private let reader: any EventReader
  /// One after the other, without a gap.
  private let batches = Mutex<[Batch]>([])

  /// Events that are kept for a lane that is behind the other; further back it reads for itself.
  private static let keptLimit = 8_000

  package init(reader: any EventReader) { self.reader = reader }

  /// What follows `position` up to `head`, at most about `limit` events. Lanes that ask at the same moment wait
  /// for each other: one of them reads.
  ///
  /// - Throws: As `Batch.read`.
  package func batch(
    after position: UInt64, head: UInt64, limit: Int
  ) throws(ProjectionError) -> Batch {
    let result = batches.withLock { batches in
      Result { () throws(ProjectionError) in
        try find(in: &batches, after: position, head: head, limit: limit)
      }
    }
    return try result.get()
  }

  private func find(
    in batches: inout [Batch], after position: UInt64, head: UInt64, limit: Int
  ) throws(ProjectionError) -> Batch {
    let known = Self.known(batches, after: position, limit: limit)
    let place = known?.end ?? position
    if let known, place >= head || place >= position + UInt64(limit) { return known }
    let read = try Batch.read(reader, after: place, limit: limit - Int(place - position))
    Self.keep(read, in: &batches)
    guard var batch = known else { return read }
    batch.append(read)
    return batch
  }

  /// All lanes are past `position`.
  package func drop(through position: UInt64) {
    batches.withLock { $0.removeAll { $0.end <= position } }
  }

  /// The log may be another one.
  package func forget() { batches.withLock { $0 = [] } }

  private static func known(_ batches: [Batch], after position: UInt64, limit: Int) -> Batch? {
    guard let first = batches.firstIndex(where: { $0.start <= position && position < $0.end })
    else { return nil }
    var known = batches[first].suffix(after: position)
    let end = position + UInt64(limit)
    for batch in batches[(first + 1)...] where known.end < end { known.append(batch) }
    return known
  }

  private static func keep(_ batch: Batch, in batches: inout [Batch]) {
    guard !batch.isEmpty, batch.end > batches.last?.end ?? 0 else { return }
    if batches.last?.end != batch.start { batches = [] }
    batches.append(batch)
    while batches.count > 1, batch.end - batches[0].end >= keptLimit { batches.removeFirst() }
  }
}
