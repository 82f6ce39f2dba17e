import Domain
import JSON

// The events of an erasure. Bundles are checked by `key_ids`: its name and form are those of
// `subject.erased` in every book.

extension ErasureRequest {
  func write(to payload: inout PayloadWriter) {
    payload.fields.field("reason", reason)
    payload.fields.field("by", by)
    payload.fields.field("at_micros", atMicros)
    payload.personal(addresses, of: payload.org) { addresses, part in
      part.objects("addresses", addresses) { address, object in
        object.field("channel", address.channel)
        object.field("hash", address.hash)
        object.field("is_opted_out", address.isOptedOut)
        if address.isListed { object.field("is_listed", true) }
      }
    }
  }

  static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    ErasureRequest(
      reason: try payload.fields.word("reason"), by: try payload.fields.string("by"),
      atMicros: try payload.fields.int64("at_micros"),
      addresses: try payload.personal { part throws(CodecError) in
        try part.objects("addresses") { object throws(CodecError) in
          KeyedAddress(
            channel: try object.word("channel"), hash: try object.string("hash"),
            isOptedOut: try object.bool("is_opted_out"), isListed: try object.isSet("is_listed"))
        }
      })
  }
}

extension ErasureRecord {
  func write(to fields: inout JSONWriter) {
    fields.field("key_ids", keyIDs)
    fields.field("reason", reason)
    fields.field("requested_at_micros", requestedAtMicros)
    fields.field("rewritten_at_micros", rewrittenAtMicros)
    fields.field("purged_at_micros", purgedAtMicros)
    fields.field("erased_at_micros", erasedAtMicros)
  }

  static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    ErasureRecord(
      keyIDs: try fields.strings("key_ids"), reason: try fields.word("reason"),
      requestedAtMicros: try fields.int64("requested_at_micros"),
      rewrittenAtMicros: try fields.int64("rewritten_at_micros"),
      purgedAtMicros: try fields.int64("purged_at_micros"),
      erasedAtMicros: try fields.int64("erased_at_micros"))
  }
}
