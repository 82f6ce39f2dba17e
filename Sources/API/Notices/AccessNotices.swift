import Application
import Domain
import EventLog
import JSON

/// Who tried what is not theirs, and who was locked out. No addresses: they are in the events, for those who may
/// read them.
enum AccessNotices {
  static func all(_ news: OrgNews, _ exchange: Exchange) throws(APIError) -> [JSON] {
    try refused(news, exchange) + locked(exchange)
  }

  /// However often somebody tried, one notice.
  private static func refused(_ news: OrgNews, _ exchange: Exchange) -> [JSON] {
    news.refusals(nowMicros: exchange.engine.tools.clock.nowMicros()).map {
      actor, refusals, count in
      let times = count == 1 ? "once" : "\(count) times"
      return NoticeRoutes.view(
        .accessRefused, subject(of: actor) ?? exchange.org, since: refusals.atMicros,
        "\(actor) was refused \(times) within a day, at last \(refusals.operation): "
          + "\(refusals.reason).",
        "Each attempt, and where it came from: GET /api/events?types=org.access_refused. A key in "
          + "wrong hands: DELETE /api/api-keys/{id}.")
    }
  }

  /// `key:key_…` and `user:usr_…`, with the agency's id behind them where it acted on a client.
  private static func subject(of actor: String) -> Identifier? {
    let name = actor.prefix { $0 != " " }
    return name.firstIndex(of: ":").flatMap { Identifier(String(name[name.index(after: $0)...])) }
  }

  /// Until they sign in, or somebody lets them.
  private static func locked(_ exchange: Exchange) throws(APIError) -> [JSON] {
    var notices: [JSON] = []
    for user in exchange.engine.directory.users(of: exchange.org) {
      guard user.state.isActive, let until = user.state.lockedUntilMicros else { continue }
      let event = try NoticeRoutes.newest("user.locked", of: user.id, exchange)
      notices.append(
        NoticeRoutes.view(
          .userLocked, user.id, since: event?.recordedAtMicros,
          "Wrong passwords locked \(user.id) out until \(Timestamp.text(until)); nobody has signed "
            + "in as them since.",
          "Where they came from: GET /api/events?types=user.sign_in_failed. Was it the user: POST "
            + "/api/users/\(user.id)/unlock."))
    }
    return notices
  }
}
