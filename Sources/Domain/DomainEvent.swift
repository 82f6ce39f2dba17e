/// Any event of the product: what projections fold and reactors follow.
package enum DomainEvent: Sendable, Equatable {
  case org(Org.Event)
  case user(User.Event)
  case apiKey(APIKey.Event)
  case role(Role.Event)
  case contact(Contact.Event)
  case message(Message.Event)
  case wallet(Wallet.Event)
  case segment(Segment.Event)
  case campaign(Campaign.Event)
  case workflow(Workflow.Event)
  case run(WorkflowRun.Event)
  case timer(Timer.Event)
  case webhookEndpoint(WebhookEndpoint.Event)
  case importJob(ImportJob.Event)
  case template(Template.Event)
  case payment(Payment.Event)
}
