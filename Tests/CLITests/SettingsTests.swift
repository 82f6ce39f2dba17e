import CLI
import Testing

private func settings(
  _ flags: [String: String] = [:], _ environment: [String: String] = [:]
) throws(UsageError) -> Settings {
  try Settings(flags: flags, environment: environment, workingDirectory: "/srv/crm")
}

@Suite struct SettingsTests {
  @Test func `the flag wins over the environment, the environment over the default`() throws {
    #expect(try settings().port == 8080)
    #expect(try settings([:], ["DAYBOOK_PORT": "9000"]).port == 9000)
    #expect(try settings(["--port": "9001"], ["DAYBOOK_PORT": "9000"]).port == 9001)
    #expect(try settings([:], ["DAYBOOK_PORT": ""]).port == 8080)
  }

  @Test func `the defaults are one machine's`() throws {
    let settings = try settings()
    #expect(settings.home.path == "/srv/crm/var")
    #expect(settings.sandboxPort == 8090)
    #expect(settings.baseURL == "http://127.0.0.1:8080")
    #expect(settings.baseURL(isSecure: true) == "https://127.0.0.1:8080")
    #expect(settings.sandboxURL == "http://127.0.0.1:8090")
    #expect(settings.databaseURL == nil)
    #expect(settings.seedsDemo)
  }

  @Test(arguments: [("/data/", "/data"), ("../x", "/srv/x"), ("a b", "/srv/crm/a b")])
  func `the home is an absolute path`(given: String, path: String) throws {
    #expect(try settings(["--home": given]).home.path == path)
  }

  @Test(
    arguments: [
      ("DAYBOOK_PROT", "1", "There is no setting 'DAYBOOK_PROT'. Did you mean 'DAYBOOK_PORT'?"),
      ("DAYBOOK_ZZZZZZZZZZZZZZ", "1", "There is no setting 'DAYBOOK_ZZZZZZZZZZZZZZ'."),
      (
        "DAYBOOK_PORT", "80a",
        "DAYBOOK_PORT is '80a', but must be a whole number from 0 to 65535."
      ),
      (
        "DAYBOOK_PORT", "65536",
        "DAYBOOK_PORT is '65536', but must be a whole number from 0 to 65535."
      ),
      (
        "DAYBOOK_SANDBOX_PORT", "8080",
        "DAYBOOK_PORT and DAYBOOK_SANDBOX_PORT are both 8080: choose another port for one of them."
      ),
      (
        "DATABASE_URL", "mysql://a:secret@b/c",
        "DATABASE_URL must be a URL that starts with postgres://."
      ),
      ("DAYBOOK_DEMO", "maybe", "DAYBOOK_DEMO is 'maybe', but must be one of yes, no."),
      (
        "DAYBOOK_LOG_LEVEL", "loud",
        "DAYBOOK_LOG_LEVEL is 'loud', but must be one of debug, info, warning, error."
      ),
    ])
  func `a setting that makes no sense is named`(variable: String, value: String, answer: String) {
    #expect {
      try settings([:], [variable: value])
    } throws: { error in
      "\(error)" == answer + "\nSee 'daybook --help'."
    }
  }

  @Test func `a wrong flag is named as the flag`() {
    #expect(
      throws: UsageError("--port is 'x', but must be a whole number from 0 to 65535.")
    ) { try settings(["--port": "x"]) }
  }

  @Test func `an empty flag is a value that went missing`() {
    #expect(
      throws: UsageError("--home is empty: give it a value, or leave it out.")
    ) { try settings(["--home": ""], ["DAYBOOK_HOME": "/data"]) }
  }

  @Test func `variables of others and of the test suites are let be`() throws {
    _ = try settings(
      [:], ["PATH": "/bin", "DAYBOOK_TEST_DATABASE_URL": "x", "DAYBOOK_DEMO_JSON": "y"])
  }

  @Test func `forwarded settings give the same settings, and no password in the arguments`() throws
  {
    let original = try settings(
      ["--home": "/data", "--port": "1", "--public-url": "https://crm.example.com"],
      ["DATABASE_URL": "postgres://u:secret@h/d", "DAYBOOK_DEMO": "no"])
    let forwarded = original.forwarded
    #expect(!forwarded.flags.contains { $0.contains("secret") })
    let pairs = stride(from: 0, to: forwarded.flags.count, by: 2).map {
      (forwarded.flags[$0], forwarded.flags[$0 + 1])
    }
    let again = try settings(
      Dictionary(uniqueKeysWithValues: pairs), forwarded.environment)
    #expect(again == original)
  }
}
