/// An enquiry: somebody filled in a form. One event each, on the contact that it is about.
package struct Lead: Sendable, Equatable {
  /// Which form or list, in the org's own words.
  package var source: String
  /// Whether the contact came to be with it; else it was known by its phone or email.
  package var isNewContact: Bool
  /// The inbound hook that it came by.
  package var hook: Identifier?
  /// Channels that the person agreed to for an address that is not the contact's: nothing to record.
  package var unrecordedConsents: [Channel]
  package var origin: Personal<LeadOrigin>

  package init(
    source: String, isNewContact: Bool, hook: Identifier? = nil,
    unrecordedConsents: [Channel] = [], origin: Personal<LeadOrigin>
  ) {
    self.source = source
    self.isNewContact = isNewContact
    self.hook = hook
    self.unrecordedConsents = unrecordedConsents
    self.origin = origin
  }
}

/// Where the person came from, as far as the form knew.
package struct LeadOrigin: Sendable, Equatable {
  /// The campaign parameters of the page's address: `utm_source` and so on, by their last word.
  package struct Campaign: Sendable, Equatable {
    package var source: String?
    package var medium: String?
    package var campaign: String?
    package var term: String?
    package var content: String?

    package init(
      source: String? = nil, medium: String? = nil, campaign: String? = nil, term: String? = nil,
      content: String? = nil
    ) {
      self.source = source
      self.medium = medium
      self.campaign = campaign
      self.term = term
      self.content = content
    }
  }

  package var utm: Campaign
  package var page: String?
  package var referrer: String?
  package var ip: String?

  package init(
    utm: Campaign = Campaign(), page: String? = nil, referrer: String? = nil, ip: String? = nil
  ) {
    self.utm = utm
    self.page = page
    self.referrer = referrer
    self.ip = ip
  }
}
