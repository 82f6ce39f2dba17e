/// Tells people who open an email from machines that do so for them or before them.
///
/// Machines, as far as they can be told: those that say so, scanners by their names, Apple's privacy
/// proxy (the bare words `Mozilla/5.0`), and whoever comes within two seconds of the sending.
/// Google's image proxy fetches when a person opens the mail: it counts as that person.
package enum MailVisitor {
  /// No person finds, opens and clicks a mail as fast as that.
  package static let fastestPersonMicros: Int64 = 2_000_000

  package static func isMachine(userAgent: String?, sinceSentMicros: Int64?) -> Bool {
    guard let agent = userAgent?.trimmed, !agent.isEmpty, agent != "Mozilla/5.0" else {
      return true
    }
    if let sinceSentMicros, sinceSentMicros < fastestPersonMicros { return true }
    let lowercased = agent.lowercased()
    return machines.contains { lowercased.contains($0) }
  }

  private static let machines = [
    "bot", "crawl", "spider", "scan", "preview", "prefetch", "monitor", "headless", "barracuda",
    "proofpoint", "mimecast", "safelinks", "trendmicro", "symantec", "python", "curl", "wget",
    "go-http", "java/", "okhttp", "ruby", "libwww", "httpclient", "axios",
  ]
}
