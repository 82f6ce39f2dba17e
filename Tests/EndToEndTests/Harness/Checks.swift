import JSON
import Testing

extension RunningSystem {
  /// Checksums, density, order, stream versions, trees and sealed parts of the whole log; and that no
  /// rule was ever broken, above all that no intent follows a STOP.
  nonisolated func expectVerified() async throws {
    let log = try await daybook("verify", "--deep", "--json")
    #expect(log.succeeded, "verify: \(log.output)\(log.errors)")
    let rules = try await daybook("verify", "--rules")
    #expect(rules.succeeded, "verify --rules: \(rules.output)\(rules.errors)")
    let figures = try log.json()
    #expect(figures["log"]?["events"] == figures["log"]?["head"])
  }

  /// Every read model holds what the log says, digest for digest.
  nonisolated func expectReadModelsEqualTheLog() async throws {
    let check = try await daybook("rebuild", "--all", "--check")
    #expect(check.succeeded, "rebuild --all --check: \(check.output)\(check.errors)")
    for name in ["contacts", "timeline", "segments", "analytics", "audit", "wallet"] {
      #expect(check.output.contains(name), "\(name) was not checked: \(check.output)")
    }
  }
}
