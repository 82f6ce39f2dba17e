import Domain

/// What each error code means and what to do about it: `/docs` shows it, `doc_url` points to it.
enum ErrorCatalogue {
  struct Entry: Sendable {
    let code: String
    let meaning: String
  }

  static func summary(_ status: Int) -> String {
    switch status {
    case 400: "The request is malformed."
    case 401: "Nobody is signed in."
    case 402: "The wallet does not cover it."
    case 403: "This caller may not do that."
    case 404: "There is no such object for this caller."
    case 409: "It contradicts what is there."
    case 412: "The object changed since it was read."
    case 413: "The request is too large."
    case 414: "The request line is too long."
    case 415: "The media type is not known here."
    case 422: "A rule forbids it."
    case 431: "The headers are too large."
    case 429: "Too many requests."
    case 503: "The server cannot do it at the moment."
    case 505: "The server speaks another version of HTTP."
    default: "The server has a fault."
    }
  }

  static let entries: [Entry] =
    requestCodes + accessCodes + stateCodes + ruleCodes + gateCodes + serverCodes

  private static func make(_ entries: [(String, String)]) -> [Entry] {
    entries.map { Entry(code: $0.0, meaning: $0.1) }
  }

  private static let requestCodes = make([
    ("required", "A field or parameter is missing or empty. Send it."),
    (
      "invalid_type",
      "The value has another JSON type than the field. `message` names the right one."
    ),
    ("invalid_value", "The value is none of those that the field takes."),
    ("unknown_field", "`mapping` names a field that hooks cannot fill."),
    ("invalid_id", "The value is no id of the kind that the field takes."),
    ("invalid_time", "Write times as RFC 3339: 2026-11-21T08:00:00Z."),
    ("key_mismatch", "A PUT finds a contact by its key and keeps it: PATCH changes an address."),
    ("ambiguous", "Parts of the request say different things: send one of them."),
    ("invalid_key", "Write key=email:ann@example.com or key=phone:+14155552671."),
    ("invalid_json", "The body or parameter is not valid JSON."),
    ("invalid_phone", "The value is no phone number."),
    ("invalid_email", "The value is no email address."),
    (
      "invalid_filter",
      "The filter does not follow the grammar of segments; `message` has the path."
    ),
    (
      "invalid_cursor",
      "`after` or `before` is no cursor of this list. Use `next` or `previous` of one of its pages, with "
        + "the same filters and order."
    ),
    ("name_taken", "Another one of the same kind has this name."),
    ("cursor_expired", "The cursor is of a history that is no more. Begin the list again."),
    (
      "invalid_as_of",
      "`as_of` is a log position, an event's id or a time, none of them in the future."
    ),
    ("invalid_position", "The value is no log position."),
    ("invalid_version", "If-Match takes an ETag such as \"v3\"."),
    ("invalid_url", "Give an absolute http or https URL."),
    ("malformed_request", "The request is not well-formed HTTP."),
    ("http_version_not_supported", "The server speaks HTTP/1.1 (and answers HTTP/1.0)."),
    ("invalid_workflow", "The workflow's YAML is wrong; `details` has line and column."),
    ("invalid_multipart", "The multipart body cannot be read."),
    ("invalid_api_version", "The header Api-Version names no version of this API."),
    (
      "position_in_future",
      "Min-Position, `after` or Last-Event-ID is beyond the log's end: it is no position of this log."
    ),
    ("out_of_range", "The number or length is outside the field's limits."),
    (
      "answer_too_large",
      "`expand` would make the answer too large. Use a smaller `limit`, or expand less."
    ),
    ("too_long", "The text is longer than the field takes."),
    ("too_many", "The list has more elements than the field takes."),
    ("unknown_parameter", "There is no such field or parameter here. Check its spelling."),
    ("repeated_parameter", "Give the field or parameter once."),
    ("unexpected_body", "The operation takes no body."),
    (
      "unsupported_header",
      "The operation cannot heed If-Match, or Idempotency-Key: what it changes has no version, or is no event. No write "
        + "heeds If-None-Match or Content-Range. Send the request without the header."
    ),
    ("unknown_event_type", "There is no such event type."),
    ("unknown_provider", "There is no such provider for this service."),
    ("unknown_role", "There is no such role."),
    ("unknown_scope", "Scopes are `resource:action`, or `*`."),
    ("invalid_network", "Give an IP address or a network such as 203.0.113.0/24."),
    ("limit_exceeds_account", "A key's limit is at most its account's."),
    ("unknown_account", "There is no such account."),
    ("https_required", "Webhooks and providers are reached by https URLs."),
    ("unsupported_channel", "This channel cannot be used here."),
    ("csv_no_header", "The file is empty: its first line names the columns."),
    ("csv_bad_header", "The first line of the file is no line of column names."),
    ("csv_too_large", "The file is larger than an import may be. Cut it into several."),
    ("csv_too_many_records", "The file has more rows than an import may. Cut it into several."),
    ("unknown_column", "`map` names a column that the file does not have."),
    ("field_twice", "Two columns lead to the same field."),
    ("invalid_tag", "The tag of the import is empty or too long."),
    ("nothing_to_identify", "Give at least a name, a company, a phone or an email."),
    ("idempotency_key_required", "Send an Idempotency-Key header."),
    ("unsupported_media_type", "Send the body in one of the documented media types."),
    ("body_too_large", "The body is larger than the server takes."),
    ("target_too_long", "Path and query are longer than the server takes."),
    (
      "headers_too_large",
      "Path, query and header fields together are larger than the server takes."
    ),
    ("too_large", "The request is larger than the operation takes."),
    ("invalid_commit", "The request asks for more than one write can hold. Send it in parts."),
    ("empty_body", "Write the text to send."),
    ("other_channel", "The template is for another channel."),
    ("method_not_allowed", "The path takes other methods: see the header Allow."),
  ])

  private static let accessCodes = make([
    ("unauthorized", "Send an API key as `Authorization: Bearer sk_…`, or sign in."),
    ("invalid_api_key", "There is no such API key, or it was revoked."),
    ("invalid_credentials", "The email or the password is wrong."),
    ("invalid_signature", "The signature does not fit the request. Nothing was done."),
    ("missing_scope", "The key or role lacks the right that `message` names."),
    ("account_not_reachable", "The header Account names no account that you may act on."),
    ("api_key_expired", "The API key has expired. Make a new one."),
    ("address_not_allowed", "The key's networks do not include the address you call from."),
    ("signature_required", "The key takes signed requests only: see `signed` of API keys."),
    ("signature_expired", "The signature's timestamp is more than five minutes off."),
    (
      "signature_too_old",
      "A signature of version 1 does not cover the header Account: sign with version 2 (`v2=`)."
    ),
    ("signature_replayed", "The nonce was used before. Sign every request anew."),
    ("locked_out", "Too many wrong passwords. Wait for Retry-After, or ask an administrator."),
    ("cannot_grant", "A right is given to others only by who has it."),
    ("csrf_token_required", "Send the session's csrf_token as X-CSRF-Token."),
    (
      "rate_limited",
      "The budget of the key, or that of all keys of its account, is used up, or the account has as many long polls as it "
        + "may. Wait for Retry-After seconds."
    ),
  ])

  private static let stateCodes = make([
    ("not_found", "There is no such object, or it is not yours."),
    ("erased", "The person's data was erased."),
    ("last_administrator", "An account keeps at least one administrator."),
    ("email_taken", "Somebody signs in with this email already."),
    ("endpoint_disabled", "The webhook endpoint is disabled. Enable it first."),
    ("endpoint_paused", "The webhook endpoint is paused. Resume it first."),
    (
      "too_many_exports",
      "The account has as many audit exports as are kept. Each goes a day after it was ordered."
    ),
    ("too_many_redeliveries", "Wait until earlier redeliveries are through."),
    ("role_in_use", "Give the role's users another one first."),
    ("already_exists", "There is one already."),
    ("duplicate_contact", "Another contact has this phone or email; `details` has its id."),
    ("already_launched", "The campaign was launched before."),
    ("already_running", "The contact is on this workflow, or the workflow is paused."),
    ("already_planned", "The message was planned before."),
    ("not_cancellable", "The message is on its way or at its end."),
    ("not_allowed_now", "The object does not allow that in its present state."),
    ("charge_exceeds_hold", "The charge is higher than what was held for it."),
    ("import_not_allowed", "The import does not allow that in its present state."),
    ("rebuild_running", "The read model is being rebuilt already. The list says how far."),
    ("no_rebuild", "The read model is not being rebuilt."),
    ("version_conflict", "Something else changed it first. Try again."),
    ("sequence_conflict", "Something else was written first. Try again."),
    ("version_mismatch", "The object changed since it was read. Read it again."),
    ("idempotency_mismatch", "The Idempotency-Key was used for another request."),
    ("idempotency_in_progress", "A request with this key is being carried out."),
  ])

  private static let ruleCodes = make([
    ("insufficient_funds", "The wallet does not cover it. Add funds."),
    ("refund_exceeds_payment", "No more than what was paid can be refunded."),
    ("balance_limit_exceeded", "A wallet holds no more than that."),
    ("unknown_segment", "There is no such segment."),
    ("unknown_template", "There is no such template."),
    (
      "opt_in_by_person_only",
      "After a no only the person can say yes again (a keyword, a form, a signed paper), not "
        + "staff, a program or a list."
    ),
    ("missing_field", "The contact has no value for a merge field. Give a fallback."),
    (
      "missing_fields",
      "Recipients of the campaign lack a field. Give fallbacks, or launch with skip_missing."
    ),
    (
      "deceptive_subject",
      "The subject pretends to answer or forward something. Write what the mail is about."
    ),
    ("reply_to_foreign", "Answers go to another domain than the mail says it is from."),
    ("sms_not_configured", "The account has no number to text from."),
    (
      "payment_not_configured",
      "The account has no payment provider: set one up, or use a test account."
    ),
    ("statement_too_long", "The period has too many lines: ask for a shorter one."),
    ("not_refundable", "The payment has not succeeded, or a refund of it is under way."),
    ("archived", "The template was archived: it makes no further messages."),
    ("invalid_merge_field", "A merge field of the text is unknown or not closed."),
    ("unsupported_field", "Templates and campaigns of this channel have no such field."),
    ("email_not_configured", "The account has no address to send email from."),
    ("postal_address_missing", "Marketing email shows a postal address: set the account's."),
    (
      "operator_only",
      "It concerns every account, and this one does not reach all: it is for the operator."
    ),
    ("agency_only", "Only an agency does that, and for its clients alone."),
    (
      "provider_in_use",
      "Messages or payments wait for the provider: let them go out, or cancel them, before it is removed or another account takes over."
    ),
    ("unknown_time_zone", "Give a name of the IANA database, such as America/Chicago."),
    (
      "account_archived",
      "The account was archived by its agency or the operator, who can make it active again."
    ),
    ("not_a_test_account", "Only a test account has a clock that can be advanced."),
    ("empty_audience", "Nobody is in the segment."),
    ("audience_too_large", "The segment holds more than one campaign can have. Split it."),
    ("reaction_too_deep", "Too many reactions caused one another; the chain was ended."),
  ])

  /// What the gate answers, in the words that the refusal itself has.
  private static let gateCodes = GateReason.allCases
    .filter { ![.insufficientFunds, .missingField].contains($0) }
    .map { Entry(code: $0.rawValue, meaning: ReasonText.text($0.rawValue)) }

  private static let serverCodes = make([
    ("overloaded", "The server is busy. Nothing was written; wait for Retry-After."),
    (
      "segment_recomputing",
      "The segment's new definition is looking at all contacts. Try again after Retry-After seconds."
    ),
    ("read_model_behind", "The read model has not reached Min-Position yet. Try again."),
    ("read_model_unavailable", "The read models cannot be asked. Commands still work."),
    (
      "read_timeout",
      "The read took longer than a read may, and was stopped. Ask for less, or try again later."
    ),
    ("signing_unavailable", "The log's signing key cannot be used. Operators were told."),
    (
      "signing_on_hold",
      "After a restore no head is signed until an operator has released it: 'daybook release'."
    ),
    ("hook_disabled", "The inbound hook is disabled: nothing was taken in. Enable it."),
    (
      "client_gone",
      "In the request log: the client hung up before its answer was there, and the read was ended."
    ),
    ("stopping", "The server is stopping. Try again."),
    ("log_closed", "The server is stopping. Try again."),
    ("log_overloaded", "The server is busy. Nothing was written; try again."),
    ("log_full", "The disk is full. Nothing was written."),
    ("log_read_only", "The disk does not take writes now. Nothing was written; reading goes on."),
    ("contacts_unreadable", "The contacts could not be read back, and are read again. Try again."),
    ("outcome_unknown", "Repeat the request with the same Idempotency-Key."),
    ("unreadable_event", "An event in the log cannot be read. Operators were told."),
    ("log_corrupted", "The log has a fault. Operators were told."),
    ("key_missing", "The log has a fault: a key is not where it should be. Operators were told."),
    ("storage_failure", "The log has a fault. Operators were told."),
    ("internal", "A fault of ours. Operators were told; quote the request id."),
  ])
}
