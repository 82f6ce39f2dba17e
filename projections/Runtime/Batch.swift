internal import Domain
package import EventCodec
package import EventLog

/// A stretch of the log, decoded, as projections take it.
package struct Batch: Sendable {
  /// An event that cannot be decoded.
  package struct Undecodable: Sendable {
    package let position: UInt64
    package let org: UInt128
    package let stream: UInt128
    package let type: String
    package let error: CodecError

    /// Whether the projection would have looked at it. What nobody knows may concern everybody.
    func concerns(_ projection: any Projection.Type) -> Bool {
      if case .unknownType = error { return true }
      return projection.eventTypes?.contains(type) ?? true
    }
  }

  /// Everything up to here was in an earlier batch.
  package private(set) var start: UInt64
  package private(set) var events: [RecordedDomainEvent]
  package private(set) var undecodable: [Undecodable]
  /// Everything up to here is in the batch or in an earlier one.
  package private(set) var end: UInt64

  package var isEmpty: Bool { events.isEmpty && undecodable.isEmpty }

  /// Adds what follows.
  mutating func append(_ next: Batch) {
    precondition(next.start == end, "a batch begins where the one before ends")
    events += next.events
    undecodable += next.undecodable
    end = next.end
  }

  /// The batch up to `position`.
  package func prefix(through position: UInt64) -> Batch {
    guard end > position else { return self }
    var batch = self
    batch.events = events.filter { $0.position <= position }
    batch.undecodable = undecodable.filter { $0.position <= position }
    batch.end = position
    return batch
  }

  /// The batch after `position`.
  package func suffix(after position: UInt64) -> Batch {
    guard start < position else { return self }
    var batch = self
    batch.events = events.filter { $0.position > position }
    batch.undecodable = undecodable.filter { $0.position > position }
    batch.start = min(position, end)
    return batch
  }

  /// Reads what follows `position`.
  ///
  /// - Throws: `ProjectionError.gap` where a position is missing or comes twice (only without a
  ///   filter can that be seen), and `.log`.
  package static func read(
    _ reader: any EventReader, after position: UInt64, limit: Int, types: Set<String>? = nil
  ) throws(ProjectionError) -> Batch {
    let page: Page
    do throws(EventLogError) {
      page = try reader.read(after: position, limit: limit, filter: EventFilter(types: types))
    } catch {
      throw .log(error)
    }
    if types == nil { try requireDense(page, after: position) }
    return decode(page, after: position)
  }

  /// One event of the log.
  ///
  /// - Throws: `ProjectionError.gap` where there is none, `.undecodable`, and `.log`.
  static func event(
    at position: UInt64, _ reader: any EventReader
  ) throws(ProjectionError) -> RecordedDomainEvent {
    let batch = try read(reader, after: position - 1, limit: 1)
    if let event = batch.events.first, event.position == position { return event }
    guard let bad = batch.undecodable.first, bad.position == position else {
      throw .gap(expected: position, found: batch.end)
    }
    throw .undecodable(position: position, bad.error)
  }

  private static func requireDense(
    _ page: Page, after position: UInt64
  ) throws(ProjectionError) {
    var expected = position + 1
    for event in page.events {
      guard event.position == expected else {
        throw .gap(expected: expected, found: event.position)
      }
      expected += 1
    }
    guard page.scannedTo == expected - 1 else {
      throw .gap(expected: expected, found: page.scannedTo)
    }
  }

  static func decode(_ page: Page, after position: UInt64) -> Batch {
    var batch = Batch(start: position, events: [], undecodable: [], end: page.scannedTo)
    batch.events.reserveCapacity(page.events.count)
    for recorded in page.events {
      do throws(CodecError) {
        batch.events.append(try EventCodec.decode(recorded))
      } catch {
        batch.undecodable.append(
          Undecodable(
            position: recorded.position, org: recorded.org.value, stream: recorded.stream.value,
            type: recorded.type, error: error))
      }
    }
    return batch
  }
}
