/// One message to or from one person. Stream: the message's id.
///
/// Invariants: planned (or received) first and once; `queued` and `dispatched` carry an allowing
/// verdict; one of the final states ends it, and provider news only moves it forward, except that a
/// delivered message may still turn out failed.
package enum Message {
  package enum Command: Sendable, Equatable {
    case plan(MessagePlan, verdict: Verdict, priceMicros: Int64)
    /// For later: judged when the moment that the plan names has come.
    case schedule(MessagePlan)
    /// The hour of a held or scheduled message has come: judge again.
    case release(verdict: Verdict, priceMicros: Int64)
    /// The gate's last look, in the commit before the provider is called.
    case dispatch(verdict: Verdict)
    case recordOutcome(DispatchOutcome, atMicros: Micros)
    case recordProviderStatus(ProviderStatus)
    case recordCall(CallResult, providerID: String, atMicros: Micros)
    case recordEngagement(Engagement, atMicros: Micros)
    case revoke(verdict: Verdict)
    case cancel(by: String)
    case receive(InboundMessage)
  }

  package enum Event: Sendable, Equatable {
    case planned(MessagePlan)
    /// The intent: it will be handed to the provider. The wallet holds `priceMicros` for it.
    case queued(verdict: Verdict, priceMicros: Int64)
    case held(reason: GateReason, untilMicros: Micros, verdict: Verdict)
    case skipped(reason: GateReason, verdict: Verdict)
    /// Flushed before the provider is called: from here on the call may have happened.
    case dispatched(attempt: Int, verdict: Verdict)
    case accepted(providerID: String)
    /// The provider certainly did not take it; it goes back to the queue until `notBeforeMicros`.
    case retryScheduled(attempt: Int, code: String, notBeforeMicros: Micros)
    /// Nobody knows whether the provider took it: to be reconciled, never blindly repeated.
    case unknown(attempt: Int, reason: String)
    case sent(atMicros: Micros)
    case delivered(atMicros: Micros)
    case failed(code: String, atMicros: Micros)
    case cancelled(by: String)
    case received(InboundMessage)
    /// A call is over. It is `delivered` where somebody or something answered, else `failed`.
    case callEnded(CallResult, atMicros: Micros)
    /// An email was looked at: `isMachine` for scanners and proxies that fetch before people do.
    case opened(isMachine: Bool, atMicros: Micros)
    /// `link` is the place of the link in the HTML text, from 0.
    case clicked(link: Int, isMachine: Bool, atMicros: Micros)
    /// The person called it spam.
    case complained(atMicros: Micros)
  }

  package enum Status: String, Sendable, CaseIterable, Codable {
    case planned, held, queued, dispatched, accepted, sent, delivered, failed, skipped, cancelled,
      unknown, received

    /// No further sending can follow. (`delivered` may still become `failed`.)
    package var isFinal: Bool {
      switch self {
      case .delivered, .failed, .skipped, .cancelled, .received: true
      case .planned, .held, .queued, .dispatched, .accepted, .sent, .unknown: false
      }
    }
  }

  package struct State: Sendable, Equatable, Codable {
    package var status: Status?
    /// Behind a pointer, as most of a message is: an org in the middle of a campaign holds tens of thousands
    /// of states in one table, which grows by doubling.
    private var boxedPlan: Boxed<MessagePlan>?
    private var boxedInbound: Boxed<InboundMessage>?
    private var boxedVerdict: Boxed<Verdict>?
    package var reason: GateReason?
    package var priceMicros: Int64 = 0
    package var attempt = 0
    package var notBeforeMicros: Micros = 0
    package var providerID: String?
    package var errorCode: String?
    package var sentAtMicros: Micros?
    package var deliveredAtMicros: Micros?
    private var boxedAnswer: Boxed<Answer>?

    /// What came back from the other end. Of most messages: nothing.
    private struct Answer: Sendable, Equatable, Codable {
      var call: CallResult?
      var openedAtMicros: Micros?
      var machineOpenedAtMicros: Micros?
      var clickedAtMicros: Micros?
      var complainedAtMicros: Micros?
      var engagementCount = 0
    }

    package init() {}

    private var answer: Answer {
      get { boxedAnswer?.value ?? Answer() }
      set { boxedAnswer = newValue == Answer() ? nil : Boxed(newValue) }
    }

    package var call: CallResult? {
      get { answer.call }
      set { answer.call = newValue }
    }

    package var openedAtMicros: Micros? {
      get { answer.openedAtMicros }
      set { answer.openedAtMicros = newValue }
    }

    package var machineOpenedAtMicros: Micros? {
      get { answer.machineOpenedAtMicros }
      set { answer.machineOpenedAtMicros = newValue }
    }

    package var clickedAtMicros: Micros? {
      get { answer.clickedAtMicros }
      set { answer.clickedAtMicros = newValue }
    }

    package var complainedAtMicros: Micros? {
      get { answer.complainedAtMicros }
      set { answer.complainedAtMicros = newValue }
    }

    package var engagementCount: Int {
      get { answer.engagementCount }
      set { answer.engagementCount = newValue }
    }

    package var plan: MessagePlan? {
      get { boxedPlan?.value }
      set { boxedPlan = newValue.map(Boxed.init) }
    }

    package var inbound: InboundMessage? {
      get { boxedInbound?.value }
      set { boxedInbound = newValue.map(Boxed.init) }
    }

    package var verdict: Verdict? {
      get { boxedVerdict?.value }
      set { boxedVerdict = newValue.map(Boxed.init) }
    }

    // Parts of the plan that are asked for with every event, without a copy of all of it.
    package var hasPlan: Bool { boxedPlan != nil }
    package var campaign: Identifier? { boxedPlan?.value.campaign }
    package var channel: Channel? { boxedPlan?.value.channel }
    package var contact: Identifier? { boxedPlan?.value.contact }
    package var address: String? { boxedPlan?.value.content.value?.address }
  }

  package enum Rejection: Error, Equatable {
    case alreadyPlanned
    case notFound
    case notAllowed(status: Status)
  }

  package static let initialState = State()
}

/// What is to be sent to whom, and on whose behalf.
package struct MessagePlan: Sendable, Equatable, Codable {
  package var contact: Identifier
  package var channel: Channel
  package var purpose: Purpose
  /// Our own number (E.164) or email address.
  package var from: String
  package var content: Personal<MessageContent>
  package var segmentCount: Int
  /// `gsm7` or `ucs2`.
  package var encoding: String
  package var campaign: Identifier?
  package var run: Identifier?
  package var step: String?
  /// For calls alone.
  package var voice: VoicePlan?
  package var template: TemplateUse?
  /// Not before this moment, where somebody asked for one.
  package var sendAtMicros: Micros?
  /// From this moment on nobody wants it any more.
  package var expiresAtMicros: Micros?

  package init(
    contact: Identifier, channel: Channel, purpose: Purpose, from: String,
    content: Personal<MessageContent>, segmentCount: Int, encoding: String,
    campaign: Identifier? = nil, run: Identifier? = nil, step: String? = nil,
    voice: VoicePlan? = nil, template: TemplateUse? = nil, sendAtMicros: Micros? = nil,
    expiresAtMicros: Micros? = nil
  ) {
    self.contact = contact
    self.channel = channel
    self.purpose = purpose
    self.from = from
    self.content = content
    self.segmentCount = segmentCount
    self.encoding = encoding
    self.campaign = campaign
    self.run = run
    self.step = step
    self.voice = voice
    self.template = template
    self.sendAtMicros = sendAtMicros
    self.expiresAtMicros = expiresAtMicros
  }
}

package struct MessageContent: Sendable, Equatable, Codable {
  /// The person's number (E.164) or email address.
  package var address: String
  /// The text; of a call, what is said.
  package var body: String
  /// Of an email.
  package var subject: String?
  /// Of an email: the text once more, with marks and links.
  package var html: String?
  /// Addresses of pictures (MMS), or of the recording that a call plays instead of its text.
  package var media: [String] = []
  /// Of a call: what is left on an answering machine.
  package var voicemail: String?

  package init(
    address: String, body: String, subject: String? = nil, html: String? = nil,
    media: [String] = [], voicemail: String? = nil
  ) {
    self.address = address
    self.body = body
    self.subject = subject
    self.html = html
    self.media = media
    self.voicemail = voicemail
  }

  /// Of all its texts.
  package var byteCount: Int {
    ([address, body, subject, html, voicemail].compactMap(\.self) + media)
      .reduce(0) { $0 + $1.utf8.count }
  }
}

/// What a person sent to us.
package struct InboundMessage: Sendable, Equatable, Codable {
  package enum Keyword: String, Sendable, CaseIterable, Codable {
    case optOut = "opt_out"
    case optIn = "opt_in"
    case help
    /// Reads like a revocation but is not certain: a human decides.
    case unsure
  }

  package var contact: Identifier
  package var channel: Channel
  /// Our own number (E.164) or email address.
  package var to: String
  package var providerID: String
  package var keyword: Keyword?
  package var content: Personal<MessageContent>
  /// When it was sent, where it was found on the provider's list later; nil: it was brought as it came.
  package var sentAtMicros: Micros?

  package init(
    contact: Identifier, channel: Channel, to: String, providerID: String, keyword: Keyword?,
    content: Personal<MessageContent>, sentAtMicros: Micros? = nil
  ) {
    self.contact = contact
    self.channel = channel
    self.to = to
    self.providerID = providerID
    self.keyword = keyword
    self.content = content
    self.sentAtMicros = sentAtMicros
  }

  /// Whether it says no, or perhaps does.
  package var mayBeNo: Bool {
    switch keyword {
    case .optOut, .unsure: true
    case .optIn, .help, nil: false
    }
  }
}

/// What became of one call to the provider.
package enum DispatchOutcome: Sendable, Equatable {
  case accepted(providerID: String)
  /// Certainly not taken and never will be.
  case refused(code: String)
  /// Certainly not taken; worth another try.
  case notTaken(code: String, retryAtMicros: Micros)
  case inDoubt(reason: String)
}

/// News about a message that the provider took.
package struct ProviderStatus: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case accepted, sent, delivered, failed
  }

  package var kind: Kind
  package var providerID: String
  package var errorCode: String?
  package var atMicros: Micros
  /// What the failure says of the address, beside the message.
  package var address: AddressNews?

  package init(
    kind: Kind, providerID: String, errorCode: String? = nil, atMicros: Micros,
    address: AddressNews? = nil
  ) {
    self.kind = kind
    self.providerID = providerID
    self.errorCode = errorCode
    self.atMicros = atMicros
    self.address = address
  }
}

/// What a provider's refusal or failure says of the address for good.
package enum AddressNews: Sendable, Equatable {
  /// The person had opted out there, which counts here too.
  case optedOut
  /// The number takes no texts.
  case landline
  /// Nobody is reached there: the number is out of use, or it or its carrier blocks us.
  case unreachable
}
