import CLI

/// What somebody needs in order to look at the demo: one org's key for scripts, and a login.
struct DemoAccess: Sendable {
  let org: String
  let apiKey: String
  let login: String
  let password: String
}

/// Fills an empty log with demo data by real commands; does nothing where there is data already.
///
/// `report` tells the terminal what is being done. Nil where no demo was ever made here.
func seedDemo(
  _ settings: Settings, report: @Sendable (String) -> Void
) async throws -> DemoAccess? {
  nil
}
