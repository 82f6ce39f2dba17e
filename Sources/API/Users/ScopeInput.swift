import Domain
import Spelling

/// Rights as they come in. What was recorded before an operation went away stays as it is, and gives nothing.
package enum ScopeInput {
  /// Every right that some operation or a workflow's step asks for, and what stands for several of them. Anything else is a slip
  /// of the pen, which would look like a right and be none.
  package static let known: Set<String> = {
    var known: Set<String> = ["*", AutomationRight.messages, AutomationRight.contacts]
    for operation in APIServer.operations {
      guard case .scope(let scope) = operation.access else { continue }
      let resource = scope.prefix { $0 != ":" }
      known.formUnion([scope, operation.right, "\(resource):*"])
    }
    return known
  }()

  static func scopes(_ fields: inout Fields, required: Bool) -> [String]? {
    guard let scopes = fields.strings("scopes", required: required) else { return nil }
    for scope in scopes where !known.contains(scope) {
      fields.fail("scopes", "unknown_scope", message(about: String(scope.prefix(100))))
    }
    return scopes
  }

  private static func message(about scope: String) -> String {
    guard let meant = nearest(to: scope, among: known.sorted()) else {
      return "\(scope) is no scope: write `contacts:read`, `contacts:*` or `*`."
    }
    return "\(scope) is no scope. Did you mean \(meant)?"
  }
}
