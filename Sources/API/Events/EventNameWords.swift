import Application
import Spelling

extension EventNames {
  /// Why a name is none, and which was meant.
  static func problem(with name: String) -> String {
    let shown = name.prefix(100)
    let family = String(name.prefix { $0 != "." })
    if future.contains(family) {
      return "There is no event type \(shown): this version has no \(plurals[family] ?? family)."
    }
    let meant = nearest(to: String(shown))
    guard !meant.isEmpty else {
      return "There is no event type \(shown). Examples are message.sent, sms.received, contact.*"
    }
    return "There is no event type \(shown). The nearest are: \(meant.joined(separator: ", "))."
  }

  private static let plurals = ["company": "companies", "deal": "deals", "task": "tasks"]
  private static let shownCount = 3

  /// The names that could have been meant, the likeliest first.
  private static func nearest(to name: String) -> [String] {
    var found: [String] = []
    var rest = all
    while found.count < shownCount, let next = Spelling.nearest(to: name, among: rest) {
      found.append(next)
      rest.removeAll { $0 == next }
    }
    return found
  }
}
