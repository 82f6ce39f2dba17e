import Domain
import EventLog

/// Why a command was not carried out. Nothing was written, unless `log` says that it is unknown.
/// Closed on purpose: the API maps every case.
package enum CommandError: Error, Equatable {
  case org(Org.Rejection)
  case user(User.Rejection)
  case apiKey(APIKey.Rejection)
  case role(Role.Rejection)
  case contact(Contact.Rejection)
  case message(Message.Rejection)
  case wallet(Wallet.Rejection)
  case segment(Segment.Rejection)
  case campaign(Campaign.Rejection)
  case workflow(Workflow.Rejection)
  case run(WorkflowRun.Rejection)
  case timer(Timer.Rejection)
  case webhookEndpoint(WebhookEndpoint.Rejection)
  case importJob(ImportJob.Rejection)
  case template(Template.Rejection)
  case payment(Payment.Rejection)
  case inboundHook(InboundHook.Rejection)

  /// Another contact of the org has this phone or email.
  case duplicateContact(existing: Identifier, field: String)
  /// No such object in this org.
  case notFound(Identifier)
  /// A field of the request; the message says what to do.
  case invalid(field: String, code: String, message: String)
  /// A merge field of the text has no value and no fallback.
  case missingField(String)
  /// So many of a campaign's recipients lack these fields, for which its text has no fallback.
  case recipientsIncomplete(count: Int, fields: [String])
  /// The org has no number and provider to text through.
  case smsNotConfigured
  /// The org has nobody to send email or to take payments through.
  case providerNotConfigured(ProviderSettings.Service)
  /// Messages or payments wait for it.
  case providerInUse(Org.ProvidedService)
  /// Marketing email needs the org's postal address below it.
  case postalAddressMissing
  /// A chain of reactions became longer than any sane one.
  case tooDeep(limit: Int)
  /// Of an account's exports.
  case tooManyExports(limit: Int)
  /// The contact is on the workflow, or the workflow is paused.
  case alreadyRunning
  /// The object changed since the caller read it.
  case versionMismatch(expected: UInt64, actual: UInt64)
  /// A right is given to others only by who has it.
  case cannotGrant(scope: String)
  /// Somebody has to be able to manage the account.
  case lastAdministrator
  case emailTaken
  case roleInUse
  case idempotencyInProgress
  case unreadable(reason: String)
  /// What is known of the org's contacts could not be read back; it is read from the log again.
  case contactsUnreadable(ContactFault)
  case log(EventLogError)
  /// Why these events cannot be taken back; none of the others of the undo was either.
  indirect case obstacle(to: [Identifier], CommandError)
}

extension CommandError {
  /// Whether it says something about the log, and nothing about the command.
  var isOfTheLog: Bool {
    if case .log = self { return true }
    if case .unreadable = self { return true }
    if case .contactsUnreadable = self { return true }
    return false
  }

  /// The same of one of several consents: `wording` becomes `consents[0].wording`.
  func ofConsent(_ number: Int?) -> CommandError {
    guard let number, case .invalid(let field, let code, let message) = self else { return self }
    return .invalid(field: "consents[\(number)].\(field)", code: code, message: message)
  }
}
