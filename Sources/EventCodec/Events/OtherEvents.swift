import Domain
import JSON

extension Timer.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case scheduled = "timer.scheduled"
    case fired = "timer.fired"
    case cancelled = "timer.cancelled"
  }

  static var streamKind: Identifier.Kind { .timer }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .scheduled(let owner, let dueMicros):
      payload.fields.field("owner", owner)
      payload.fields.field("due_micros", dueMicros)
      return .scheduled
    case .fired: return .fired
    case .cancelled: return .cancelled
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .scheduled:
      .scheduled(
        owner: try payload.fields.identifier(ofAnyKind: "owner"),
        dueMicros: try payload.fields.int64("due_micros"))
    case .fired: .fired
    case .cancelled: .cancelled
    }
  }
}

extension WebhookEndpoint.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "webhook_endpoint.created"
    case updated = "webhook_endpoint.updated"
    case disabled = "webhook_endpoint.disabled"
    case enabled = "webhook_endpoint.enabled"
    case paused = "webhook_endpoint.paused"
    case resumed = "webhook_endpoint.resumed"
    case deleted = "webhook_endpoint.deleted"
    case deliveryFailed = "webhook.delivery_failed"
    case styleSet = "webhook_endpoint.style_set"
    case secretRotated = "webhook_endpoint.secret_rotated"
    case tested = "webhook_endpoint.tested"
    case redeliveryRequested = "webhook_endpoint.redelivery_requested"
    case redelivered = "webhook_endpoint.redelivered"
  }

  static var streamKind: Identifier.Kind { .webhookEndpoint }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let url, let types, let secret):
      payload.fields.field("url", url)
      payload.fields.field("types", types)
      payload.personal(secret, of: payload.org) { $1.field("secret", $0) }
      return .created
    case .updated(let url, let types):
      payload.fields.field("url", url)
      payload.fields.field("types", types)
      return .updated
    case .disabled(let reason):
      payload.fields.field("reason", reason)
      return .disabled
    case .enabled: return .enabled
    case .paused: return .paused
    case .resumed: return .resumed
    case .deleted: return .deleted
    case .deliveryFailed(let position, let attempt, let reason, let retryAtMicros):
      // Positions are dense from 1: none will ever exceed an Int64.
      payload.fields.field("position", Int64(position))
      payload.fields.field("attempt", attempt)
      payload.fields.field("reason", reason)
      payload.fields.optional("retry_at_micros", retryAtMicros)
      return .deliveryFailed
    case .styleSet(let style):
      payload.fields.field("payload", style.payload)
      payload.fields.field("format", style.format)
      return .styleSet
    case .secretRotated(let secret, let previousUntilMicros):
      payload.fields.field("previous_until_micros", previousUntilMicros)
      payload.personal(secret, of: payload.org) { $1.field("secret", $0) }
      return .secretRotated
    case .tested: return .tested
    case .redeliveryRequested(let from, let to):
      payload.fields.field("from", Int64(from))
      payload.fields.field("to", Int64(to))
      return .redeliveryRequested
    case .redelivered(let deliveredCount, let failedCount):
      payload.fields.field("delivered_count", deliveredCount)
      payload.fields.field("failed_count", failedCount)
      return .redelivered
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      return .created(
        url: try payload.fields.string("url"), types: try payload.fields.strings("types"),
        secret: try payload.personal { part throws(CodecError) in try part.string("secret") })
    case .updated:
      return .updated(
        url: try payload.fields.string("url"), types: try payload.fields.strings("types"))
    case .disabled: return .disabled(reason: try payload.fields.string("reason"))
    case .enabled: return .enabled
    case .paused: return .paused
    case .resumed: return .resumed
    case .deleted: return .deleted
    case .deliveryFailed:
      return .deliveryFailed(
        position: try payload.fields.uint64("position"),
        attempt: try payload.fields.int("attempt"), reason: try payload.fields.string("reason"),
        retryAtMicros: try payload.fields.optionalInt64("retry_at_micros"))
    case .styleSet:
      return .styleSet(
        WebhookEndpoint.Style(
          payload: try payload.fields.word("payload"), format: try payload.fields.word("format")))
    case .secretRotated:
      let previousUntilMicros = try payload.fields.int64("previous_until_micros")
      return .secretRotated(
        secret: try payload.personal { part throws(CodecError) in try part.string("secret") },
        previousUntilMicros: previousUntilMicros)
    case .tested: return .tested
    case .redeliveryRequested:
      return .redeliveryRequested(
        from: try payload.fields.uint64("from"), to: try payload.fields.uint64("to"))
    case .redelivered:
      return .redelivered(
        deliveredCount: try payload.fields.int("delivered_count"),
        failedCount: try payload.fields.int("failed_count"))
    }
  }
}

extension ImportJob.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case started = "import.started"
    case completed = "import.completed"
  }

  static var streamKind: Identifier.Kind { .importJob }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .started(let fingerprint, let rowCount, let mapping):
      payload.fields.field("fingerprint", fingerprint)
      payload.fields.field("row_count", rowCount)
      payload.fields.field("mapping", mapping)
      return .started
    case .completed(let outcome):
      payload.fields.field("created_count", outcome.createdCount)
      payload.fields.field("updated_count", outcome.updatedCount)
      payload.fields.field("unchanged_count", outcome.unchangedCount)
      payload.fields.field("failed_count", outcome.failedCount)
      return .completed
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .started:
      .started(
        fingerprint: try payload.fields.string("fingerprint"),
        rowCount: try payload.fields.int("row_count"),
        mapping: try payload.fields.strings("mapping"))
    case .completed:
      .completed(
        ImportOutcome(
          createdCount: try payload.fields.int("created_count"),
          updatedCount: try payload.fields.int("updated_count"),
          unchangedCount: try payload.fields.int("unchanged_count"),
          failedCount: try payload.fields.int("failed_count")))
    }
  }
}
