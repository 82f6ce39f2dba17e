import Domain
import JSON

/// What is to be said of a text, as the API says it.
enum ContentFindingView {
  static let schema = Schema.object(
    "ContentFinding",
    [
      .required("code", .choice(ContentFinding.Code.self)), .required("field", .string()),
      .required("severity", .choice(["warning", "refusal"]), "`refusal`: no marketing with it."),
      .required("found", .string().nullable), .required("message", .string()),
    ])

  static func json(_ findings: [ContentFinding]) -> JSON { .array(findings.map(json)) }

  private static func json(_ finding: ContentFinding) -> JSON {
    [
      "code": .string(finding.code.rawValue), "field": .string(finding.field),
      "severity": finding.isRefusal ? "refusal" : "warning", "found": JSON(finding.found),
      "message": .string(message(finding)),
    ]
  }

  private static func message(_ finding: ContentFinding) -> String {
    let found = finding.found.map { " (\($0))" } ?? ""
    return switch finding.code {
    case .deceptiveSubject:
      "The subject pretends to answer or forward something\(found): no marketing goes out with it."
    case .misleadingSubject:
      "The subject reads like a notice about something that happened\(found)."
    case .footerMissing:
      "There is no footer with {{unsubscribe_url}}: it is added, with your postal address."
    case .optOutNoticeMissing: "Nothing says how to opt out: it is added."
    case .publicShortener:
      "Carriers block links of public shorteners\(found): use a domain of your own."
    case .forbiddenContent: "Carriers do not carry this\(found)."
    case .excessiveCapitals: "Most of it is in capitals, which filters take for spam."
    case .spamPhrase: "Filters know this phrase\(found)."
    case .placeholder: "This looks like a placeholder\(found)."
    }
  }
}
