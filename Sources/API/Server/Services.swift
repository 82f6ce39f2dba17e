import Application
import Domain
import HTTP
import Postgres

/// What the API works with. A class: it goes along with every request, and has many parts.
package final class Services: Sendable {
  package let engine: Engine
  /// Connections for reading, as a role that owns nothing.
  package let pool: PostgresPool
  /// A connection of the read models' owner, for those who look after the installation.
  package let owners: PostgresPool
  package let sessions: SessionCodec
  package let settings: APISettings
  package let adapters: Adapters
  package let links: OutboundLinks
  /// What listeners to the log share.
  package let feeds = EventFeeds()
  /// One line about something that went wrong: ids and codes, no personal data.
  package let report: @Sendable (_ message: String, _ requestID: String) -> Void
  /// Signs the accounts' heads and writes exports; nil where nothing can be signed.
  package let exports: ExportDesk?
  /// What was asked; nil where nobody keeps it.
  package let requests: RequestLog?
  /// How many requests were refused for want of a right, for the metrics.
  let refusals = RefusalCounts()
  let requestMetrics = RequestMetrics()
  let guesses = PasswordGuesses()
  let scans = ScanLane()
  let answers = AnswerRoom()
  let orderKey: OrderKey
  /// Knows which signed requests were seen.
  let signatures: RequestSignature

  package init(
    engine: Engine, pool: PostgresPool, owners: PostgresPool, sessions: SessionCodec,
    settings: APISettings,
    adapters: Adapters, links: OutboundLinks, exports: ExportDesk? = nil,
    requests: RequestLog? = nil, signatures: RequestSignature,
    report: @escaping @Sendable (_ message: String, _ requestID: String) -> Void
  ) {
    self.engine = engine
    self.signatures = signatures
    self.pool = pool
    self.owners = owners
    self.sessions = sessions
    self.settings = settings
    self.adapters = adapters
    self.links = links
    orderKey = OrderKey(links.tokens.key(for: "order fingerprints"))
    self.exports = exports
    self.requests = requests
    self.report = report
  }
}

package struct APISettings: Sendable {
  /// Where providers reach us, without a slash at the end: what their signatures are made over.
  package var publicURL: String
  /// Opens the operator's routes; kept in a file that only the operator can read.
  package var operatorToken: String
  /// The built console; nil: not served.
  package var consoleDirectory: String?
  /// What an API key may ask for where neither it nor its account says otherwise.
  package var rateLimit = RateLimit.standard
  /// How many connections the reads have.
  package var readConnections = 4
  /// This machine and the proxies before it: their addresses tell no clients apart.
  package var sharedNetworks: [IPNetwork] = []
  /// How long a read waits for its read model at most.
  package var readWaitMillis = 5_000
  /// How long one answer may go through a list by itself: as long as a single question to the database may take.
  var listMillis = ReadPool.statementTimeoutMillis
  /// How many stretches of the log a page of events looks at.
  var eventStretches = 40
  /// Whether browsers reach us by HTTPS: the session's cookie goes no other way then.
  package var isSecure = false
  /// Whether webhooks may go to private and loopback addresses: for development only.
  package var allowsPrivateWebhooks = false
  /// Where the simulated providers are, which need no https; nil where accounts may not have them.
  package var sandboxURL: String?
  /// Keeps everything in the house after a restore; nil where there is nothing that could be held.
  package var hold: SendingHold?

  package init(publicURL: String, operatorToken: String) {
    self.publicURL = publicURL
    self.operatorToken = operatorToken
  }
}
