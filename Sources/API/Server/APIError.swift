import Application
import Domain
import EventLog
import HTTP
import JSON

/// What a caller is told when a request was not carried out: the one error object of the API.
package struct APIError: Error, Sendable, Equatable {
  package struct Detail: Sendable, Equatable {
    package var param: String
    package var code: String
    package var message: String

    package init(param: String, code: String, message: String) {
      self.param = param
      self.code = code
      self.message = message
    }
  }

  /// So many faults are told at a time: each is compared with all others, and somebody may have made a million.
  static let detailLimit = 100

  package var status: Int
  package var type: String
  package var code: String
  package var message: String
  package var details: [Detail] = []
  package var isRetryable = false
  /// What the answer says beside the body: `Allow`, `Retry-After`.
  package var headers: HTTPHeaders = [:]
  private var preview: JSON?

  package init(
    _ status: Int, _ type: String, _ code: String, _ message: String, details: [Detail] = [],
    isRetryable: Bool = false
  ) {
    self.status = status
    self.type = type
    self.code = code
    self.message = message
    self.details = details
    self.isRetryable = isRetryable
  }

  /// A malformed request with every field error at once.
  package static func invalid(_ details: [Detail]) -> APIError {
    precondition(!details.isEmpty, "an invalid request has at least one invalid field")
    return APIError(400, "invalid_request", details[0].code, details[0].message, details: details)
  }

  package static func invalid(
    _ param: String, _ code: String, _ message: String
  ) -> APIError {
    .invalid([Detail(param: param, code: code, message: message)])
  }

  package static func notFound(_ what: String) -> APIError {
    APIError(404, "not_found", "not_found", "There is no such \(what).")
  }

  static func rateLimited(_ budget: RateLimiter.Budget) -> APIError {
    var error = APIError(
      429, "rate_limit", "rate_limited",
      "\(budget.limit.perMinute) requests a minute with bursts of \(budget.limit.burst) are allowed.",
      isRetryable: true)
    error.headers.set("retry-after", String((budget.waitMicros + 999_999) / 1_000_000))
    return error
  }

  package static let unauthorized = APIError(
    401, "auth", "unauthorized",
    "Send an API key as `Authorization: Bearer sk_…`, or sign in.")

  /// Not a refusal: the write was only tried, and this is its answer. Thrown, so that no handler goes
  /// on as if it had happened.
  static func tried(_ events: [PlannedEvent]) -> APIError {
    var answer = APIError(200, "dry_run", "dry_run", "Nothing was written.")
    answer.preview = Trial.json(events)
    return answer
  }

  package func json(requestID: String) -> JSON {
    if let preview { return preview }
    return [
      "error": .object(
        JSONObject([
          ("type", .string(type)), ("code", .string(code)), ("message", .string(message)),
          ("param", JSON(details.first?.param)),
          (
            "details",
            .array(
              details.map {
                [
                  "param": .string($0.param), "code": .string($0.code),
                  "message": .string($0.message),
                ]
              })
          ),
          ("doc_url", .string("/docs#error-\(code)")), ("request_id", .string(requestID)),
          ("retryable", .bool(isRetryable)),
          (
            "retry_after_ms",
            headers["retry-after"].flatMap { Int64($0) }.map { .int($0 * 1_000) } ?? .null
          ),
        ]))
    ]
  }
}

// MARK: - From the house's errors

extension APIError {
  /// Every refusal of a command has its answer here, and nowhere else.
  init(_ error: CommandError) {
    switch error {
    case .org(let rejection): self.init(rejection)
    case .user(.notFound), .apiKey(.notFound): self = .notFound("object")
    case .role(.notFound): self = .notFound("role")
    case .user(.alreadyExists), .apiKey(.alreadyExists), .role(.alreadyExists):
      self = .conflict("already_exists")
    case .user(.emptyName), .apiKey(.emptyName), .role(.emptyName):
      self = .invalid("name", "required", "Give it a name.")
    case .cannotGrant(let scope):
      self.init(
        403, "permission", "cannot_grant", "You cannot give the right \(scope): you lack it.")
    case .lastAdministrator:
      self.init(
        409, "conflict", "last_administrator", "An account keeps at least one administrator.")
    case .emailTaken:
      self.init(409, "conflict", "email_taken", "Somebody signs in with this email already.")
    case .roleInUse:
      self.init(409, "conflict", "role_in_use", "Give the role's users another one first.")
    case .contact(let rejection): self.init(rejection)
    case .message(let rejection): self.init(rejection)
    case .wallet(let rejection): self.init(rejection)
    case .segment(let rejection): self.init(rejection)
    case .campaign(let rejection): self.init(rejection)
    case .workflow(let rejection): self.init(rejection)
    case .run, .timer: self = .conflict("not_allowed_now")
    case .webhookEndpoint(let rejection): self.init(rejection)
    case .importJob: self = .conflict("import_not_allowed")
    case .template(let rejection): self.init(rejection)
    case .payment(let rejection): self.init(rejection)
    case .inboundHook(let rejection): self.init(rejection)
    case .duplicateContact(let existing, let field):
      self.init(
        409, "conflict", "duplicate_contact", "Another contact has this \(field): \(existing).",
        details: [Detail(param: field, code: "duplicate_contact", message: existing.text)])
    case .notFound(let id): self = .notFound(id.kind.name)
    case .invalid(let field, let code, let message): self = .invalid(field, code, message)
    case .missingField(let field):
      self.init(
        422, "compliance", "missing_field",
        "The contact has no \(field). Give a fallback, such as {{\(field)|there}}.",
        details: [
          Detail(param: "body", code: "missing_field", message: "No value for \(field).")
        ])
    case .recipientsIncomplete(let count, let fields):
      self.init(
        422, "compliance", "missing_fields",
        "\(count) recipients lack a field that the text needs. Give fallbacks, or launch with "
          + "skip_missing to leave them out.",
        details: fields.map {
          Detail(param: "body", code: "missing_field", message: "No value for \($0).")
        })
    case .smsNotConfigured:
      self.init(
        422, "compliance", "sms_not_configured",
        "This account has no number to text from. Configure SMS first.")
    case .providerNotConfigured(let service):
      self.init(
        422, "compliance", "\(service.rawValue)_not_configured",
        "This account has no \(service.rawValue) provider. Configure one first: "
          + "PUT /api/providers/\(service.rawValue).")
    case .providerInUse(let service):
      self.init(
        409, "conflict", "provider_in_use",
        service == .payment
          ? "A payment or a refund is under way. Wait until it has ended, or say same_account where it is the same account."
          : "Messages wait for this provider, or for its answer. Cancel them or let them go out first, or say "
            + "same_account where it is the same account."
      )
    case .postalAddressMissing:
      self.init(
        422, "compliance", "postal_address_missing",
        "Marketing email needs the company's postal address: set it with "
          + "PUT /api/account/postal-address.")
    case .tooManyExports(let limit):
      self.init(
        409, "conflict", "too_many_exports",
        "\(limit) exports of this account are kept or being written. Each goes a day after it was ordered."
      )
    case .tooDeep(let limit):
      self.init(
        422, "compliance", "reaction_too_deep",
        "More than \(limit) reactions caused one another; the chain was ended.")
    case .versionMismatch(let expected, let actual):
      self.init(
        412, "conflict", "version_mismatch",
        "The object is at version \(actual), not \(expected). Read it again.")
    case .idempotencyInProgress:
      self.init(
        409, "idempotency", "idempotency_in_progress",
        "A request with this Idempotency-Key is being carried out. Try again in a moment.",
        isRetryable: true)
      headers.set("retry-after", "1")
    case .alreadyRunning:
      self.init(
        409, "conflict", "already_running",
        "The contact is on this workflow already, or the workflow is paused.")
    case .unreadable:
      self.init(500, "internal", "unreadable_event", "An event in the log cannot be read.")
    case .contactsUnreadable(let fault):
      self.init(
        503, "unavailable", "contacts_unreadable",
        "What is known of the contacts could not be read back. It is read from the log again.",
        isRetryable: fault.isRetryable)
    case .log(let error): self.init(error)
    case .obstacle(let events, let reason):
      self.init(reason)
      if let first = events.first {
        message += " This stands in the way of taking back \(first)."
      }
      details += events.prefix(Self.detailLimit).map {
        Detail(param: "events", code: code, message: $0.text)
      }
    }
  }

  private static func conflict(_ code: String) -> APIError {
    APIError(409, "conflict", code, "The object does not allow that now.")
  }

  private init(_ error: EventLogError) {
    switch error {
    case .idempotencyMismatch:
      self.init(
        409, "idempotency", error.code,
        "This Idempotency-Key was used for another request. Use a new key.")
    case .versionConflict, .sequenceConflict:
      self.init(
        409, "conflict", error.code, "Something else changed it first. Try again.",
        isRetryable: true)
    case .invalidCommit:
      self.init(413, "too_large", error.code, "The request is too large for one write.")
    case .overloaded, .closed:
      self.init(
        503, "unavailable", error.code, "The server is busy. Nothing was written; try again.",
        isRetryable: true)
    case .logFull:
      self.init(
        503, "unavailable", error.code, "The disk is full. Nothing was written.",
        isRetryable: true)
    case .readOnly:
      self.init(
        503, "unavailable", error.code,
        "The disk does not take writes now. Nothing was written; reading goes on.",
        isRetryable: true)
    case .outcomeUnknown:
      self.init(
        503, "unavailable", error.code,
        "Nobody knows whether this was written. Repeat it with the same Idempotency-Key.",
        isRetryable: true)
    case .writerPresent, .corrupted, .keyMissing, .wrongRootKey, .storage:
      self.init(500, "internal", error.code, "The event log has a fault. Operators were told.")
    }
  }
}

extension APIError {
  private init(_ rejection: Org.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("account")
    case .emptyName: self = .invalid("name", "required", "Give the account a name.")
    case .emptyPostalAddress:
      self = .invalid("postal_address", "required", "Give the company's postal address.")
    case .notATestOrg:
      self.init(
        422, "invalid_request", "not_a_test_account",
        "Only a test account has a clock that can be advanced.")
    case .clockMovesForwardOnly:
      self = .invalid("seconds", "out_of_range", "A clock only moves forward.")
    case .clockTooFar(let limitMicros):
      self = .invalid(
        "seconds", "out_of_range",
        "The clock goes at most \(limitMicros / 1_000_000) seconds ahead.")
    case .markupOutOfRange(let limit):
      self = .invalid("markup_percent", "out_of_range", "A markup is 0 to \(limit) percent.")
    case .priceInThePast:
      self = .invalid("from", "out_of_range", "A price begins now or later.")
    case .noProvider: self = .notFound("provider")
    case .notAnAgency:
      self.init(403, "permission", "agency_only", "Only an agency has clients.")
    case .sendingRuleOutOfRange(let field):
      self = .invalid(
        field, "out_of_range",
        field.hasPrefix("keywords.")
          ? "At most \(MessagingProgram.wordLimit) words a list, each on one, and none that means "
            + "something else everywhere."
          : "\(field) is beyond what can be kept.")
    }
  }

  private init(_ rejection: Contact.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("contact")
    case .erased:
      self.init(404, "not_found", "erased", "This person's data was erased.")
    case .nothingToIdentify:
      self = .invalid(
        "first_name", "nothing_to_identify", "Give at least a name, a company, a phone or an email."
      )
    case .unknownField(let field):
      self = .invalid(field, "unknown_parameter", "There is no field \(field).")
    case .invalidField(let field, let reason):
      self = .invalid(field, "invalid_value", "\(field): \(reason).")
    case .tooManyTags(let limit):
      self = .invalid("tags", "too_many", "A contact has at most \(limit) tags.")
    case .tooManyFields(let limit):
      self = .invalid("custom", "too_many", "A contact has at most \(limit) fields of your own.")
    case .erasureOutOfOrder: self = .conflict("not_allowed_now")
    }
  }

  private init(_ rejection: Message.Rejection) {
    switch rejection {
    case .alreadyPlanned: self = .conflict("already_planned")
    case .notFound: self = .notFound("message")
    case .notAllowed(let status):
      self.init(
        409, "conflict", "not_cancellable", "The message is \(status.rawValue) already.")
    }
  }

  private init(_ rejection: Wallet.Rejection) {
    switch rejection {
    case .notOpen: self = .notFound("wallet")
    case .amountNotPositive:
      self = .invalid("amount", "out_of_range", "The amount must be greater than zero.")
    case .insufficientFunds(let availableMicros, let amountMicros):
      self.init(
        402, "insufficient_funds", "insufficient_funds",
        "The wallet has \(availableMicros) micro-dollars available; this needs \(amountMicros).")
    case .balanceLimitExceeded(let limitMicros):
      self = .invalid(
        "amount", "balance_limit_exceeded",
        "A wallet holds at most \(limitMicros) micro-dollars.")
    case .chargeExceedsHold: self = .conflict("charge_exceeds_hold")
    }
  }

  private init(_ rejection: Segment.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("segment")
    case .emptyName: self = .invalid("name", "required", "Give the segment a name.")
    case .invalidFilter(let problem):
      self = .invalid("filter", "invalid_filter", "\(problem.path): \(problem.message)")
    }
  }

  private init(_ rejection: Template.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("template")
    case .archived: self = .conflict("archived")
    case .emptyName: self = .invalid("name", "required", "Give the template a name.")
    case .emptyBody: self = .invalid("body", "required", "Write the text to send.")
    case .emptySubject: self = .invalid("subject", "required", "An email needs a subject.")
    case .unsupportedField(let field):
      self = .invalid(
        field, "unsupported_field", "Templates of this channel have no \(field).")
    case .malformed(let field, let reason):
      self = .invalid(field, "invalid_merge_field", reason)
    }
  }

  private init(_ rejection: InboundHook.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("inbound hook")
    case .emptyName: self = .invalid("name", "required", "Give the hook a name.")
    case .noAddress:
      self = .invalid(
        "mapping", "required", "Map email or phone: they say who it is about.")
    case .unknownField(let field):
      self = .invalid(
        "mapping.\(field.prefix(100))", "unknown_field",
        "There is no field \(field.prefix(100)) to map.")
    case .emptySource(let field):
      self = .invalid(
        "mapping.\(field)", "required", "Say where \(field) comes from: a path, or = and a value.")
    }
  }

  private init(_ rejection: Payment.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("payment")
    case .amountOutOfRange(let minMicros, let maxMicros):
      self = .invalid(
        "amount", "out_of_range",
        "The amount is whole cents from \(minMicros) to \(maxMicros) micro-dollars.")
    case .notRefundable: self = .conflict("not_refundable")
    case .refundExceedsPayment(let refundableMicros):
      self = .invalid(
        "amount", "refund_exceeds_payment",
        "At most \(refundableMicros) micro-dollars of it, in whole cents, can be refunded.")
    }
  }

  private init(_ rejection: Campaign.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("campaign")
    case .alreadyLaunched:
      self.init(409, "conflict", "already_launched", "The campaign was launched before.")
    case .emptyName: self = .invalid("name", "required", "Give the campaign a name.")
    case .emptyBody: self = .invalid("body", "required", "Write the text to send.")
    case .emptyAudience:
      self.init(422, "invalid_request", "empty_audience", "Nobody is in the segment.")
    case .audienceTooLarge(let limit):
      self.init(
        422, "invalid_request", "audience_too_large",
        "A campaign with these texts has at most \(limit) recipients. Split the segment.")
    case .paceOutOfRange(let limit):
      self = .invalid("per_minute", "out_of_range", "A pace is 1 to \(limit) messages a minute.")
    case .holdoutOutOfRange(let limit):
      self = .invalid("holdout_percent", "out_of_range", "A holdout is 1 to \(limit) percent.")
    case .batchSizeNotPositive, .unknownBatch, .notConserved, .notAllowed:
      self = .conflict("not_allowed_now")
    }
  }

  private init(_ rejection: Workflow.Rejection) {
    switch rejection {
    case .notFound: self = .notFound("workflow")
    case .emptyName: self = .invalid("name", "required", "Give the workflow a name.")
    case .noSteps: self = .invalid("steps", "required", "A workflow needs at least one step.")
    case .unknownStep(let id):
      self = .invalid("steps", "unknown_step", "A step leads to \(id), which does not exist.")
    case .duplicateStep(let id):
      self = .invalid("steps", "duplicate_step", "Two steps have the id \(id).")
    }
  }

  private init(_ rejection: WebhookEndpoint.Rejection) {
    switch rejection {
    case .alreadyExists: self = .conflict("already_exists")
    case .notFound: self = .notFound("webhook endpoint")
    case .disabled:
      self.init(409, "conflict", "endpoint_disabled", "Enable the endpoint first.")
    case .paused:
      self.init(409, "conflict", "endpoint_paused", "Resume the endpoint first.")
    case .tooManyRedeliveries:
      self.init(
        409, "conflict", "too_many_redeliveries",
        "\(WebhookEndpoint.redeliveryLimit) redeliveries wait already.")
    case .noTypes: self = .invalid("types", "required", "Name at least one event type, or `*`.")
    case .invalidURL: self = .invalid("url", "invalid_url", "Give an http or https URL.")
    }
  }
}
