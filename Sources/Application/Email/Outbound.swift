import Domain

/// Addresses of ours that go out with messages: callbacks for providers, links for people.
package struct OutboundLinks: Sendable {
  /// Where we are reached from outside, without a slash at the end.
  package let publicURL: String
  package let tokens: LinkTokens

  package init(publicURL: String, tokens: LinkTokens) {
    self.publicURL = publicURL
    self.tokens = tokens
  }

  func callback(_ provider: String, _ name: String, _ org: Identifier, _ message: Identifier)
    -> String
  {
    "\(publicURL)/webhooks/\(provider)/\(org)/\(name)?message=\(message)"
  }

  package func open(_ org: Identifier, _ message: Identifier) -> String {
    "\(publicURL)/m/o/\(tokens.token(LinkTokens.Link(.open, org, message)))"
  }

  package func click(_ org: Identifier, _ message: Identifier, _ index: Int) -> String {
    "\(publicURL)/m/c/\(tokens.token(LinkTokens.Link(.click, org, message, index: index)))"
  }

  package func unsubscribe(_ org: Identifier, _ message: Identifier) -> String {
    "\(publicURL)/m/u/\(tokens.token(LinkTokens.Link(.unsubscribe, org, message)))"
  }
}

extension OrgState {
  /// The provider call that `plan` asks for; nil where the org has no credentials for its channel or
  /// the person is gone.
  func outbound(
    _ message: Identifier, _ plan: MessagePlan, _ links: OutboundLinks
  ) -> OrgExecutor.OutboundCallPlan? {
    guard let content = plan.content.value else { return nil }
    switch plan.channel {
    case .sms:
      guard let credentials else { return nil }
      return OrgExecutor.OutboundCallPlan(
        provider: SMSCredentials.provider,
        message: .sms(
          OutboundSMS(
            credentials: credentials, from: plan.from, to: content.address, body: content.body,
            statusCallbackURL: links.callback("twilio", "status", org, message),
            mediaURLs: content.media)))
    case .voice:
      guard let credentials else { return nil }
      return OrgExecutor.OutboundCallPlan(
        provider: SMSCredentials.provider,
        message: .call(
          OutboundCall(
            credentials: credentials, from: plan.from, to: content.address,
            instructionsURL: links.callback("twilio", "voice", org, message),
            statusCallbackURL: links.callback("twilio", "calls", org, message),
            maxMinutes: plan.voice?.maxMinutes ?? 1)))
    case .email:
      guard let settings = self.settings.providers[.email],
        let credentials = ProviderCredentials(settings)
      else { return nil }
      return OrgExecutor.OutboundCallPlan(
        provider: settings.provider,
        message: .email(
          EmailRendering(org: org, message: message, links: links)
            .email(plan, content, through: credentials)))
    }
  }
}
