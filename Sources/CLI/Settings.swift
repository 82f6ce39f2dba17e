import Foundation
import Spelling

/// What every command can be told about the place where it works. The flag wins over the environment,
/// the environment over the default.
package struct Settings: Sendable, Equatable {
  /// The folder that holds everything: log, keys, database, logs. Absolute.
  package let home: Home
  /// 0 asks for any free port.
  package let port: Int
  package let sandboxPort: Int
  /// A Postgres to use instead of one of our own.
  package let databaseURL: String?
  /// The address to listen on.
  package let listenAddress: String
  /// How others reach the API and the console; nil means the listening address and port.
  package let publicURL: String?
  /// The Twilio to send through; nil means the sandbox.
  package let twilioURL: String?
  package let logLevel: String
  package let seedsDemo: Bool

  /// `http://127.0.0.1:8080`, or what `--public-url` says.
  package var baseURL: String { baseURL(isSecure: false) }

  /// The same; `isSecure`: the API itself speaks HTTPS.
  package func baseURL(isSecure: Bool) -> String { publicURL ?? localURL(isSecure: isSecure) }

  /// How this machine itself reaches the API.
  package var localURL: String { localURL(isSecure: false) }

  package func localURL(isSecure: Bool) -> String {
    let host = listenAddress == "0.0.0.0" ? "127.0.0.1" : listenAddress
    return "\(isSecure ? "https" : "http")://\(host):\(port)"
  }

  /// The same settings with the ports and the database that were chosen where they were left open.
  package func resolved(port: Int, sandboxPort: Int, databaseURL: String?) -> Settings {
    Settings(
      home: home, port: port, sandboxPort: sandboxPort, databaseURL: databaseURL,
      listenAddress: listenAddress, publicURL: publicURL, twilioURL: twilioURL, logLevel: logLevel,
      seedsDemo: seedsDemo)
  }

  /// The settings as flags and as environment, for a process that is to work at the same place. The
  /// database's URL may hold a password, so it goes by the environment: anybody can list arguments.
  package var forwarded: (flags: [String], environment: [String: String]) {
    var flags = [
      "--home", home.path, "--port", String(port), "--sandbox-port", String(sandboxPort),
      "--listen", listenAddress, "--log-level", logLevel, "--demo", seedsDemo ? "yes" : "no",
    ]
    if let publicURL { flags += ["--public-url", publicURL] }
    if let twilioURL { flags += ["--twilio-url", twilioURL] }
    return (flags, databaseURL.map { [SettingKey.databaseURL.variable: $0] } ?? [:])
  }

  package var sandboxURL: String { "http://127.0.0.1:\(sandboxPort)" }
}

/// One setting: how it is spelled on the command line and in the environment.
struct SettingKey: Sendable {
  let flag: String
  let value: String
  let variable: String
  let defaultValue: String?
  let help: String

  static let home = SettingKey(
    flag: "--home", value: "DIR", variable: "DAYBOOK_HOME", defaultValue: "./var",
    help: "the folder that holds the log, the keys, the database and the logs")
  static let port = SettingKey(
    flag: "--port", value: "PORT", variable: "DAYBOOK_PORT", defaultValue: "8080",
    help: "the port of the API and the console; 0 takes a free one")
  static let sandboxPort = SettingKey(
    flag: "--sandbox-port", value: "PORT", variable: "DAYBOOK_SANDBOX_PORT", defaultValue: "8090",
    help: "the port of the simulated providers; 0 takes a free one")
  static let databaseURL = SettingKey(
    flag: "--database-url", value: "URL", variable: "DATABASE_URL", defaultValue: nil,
    help: "a Postgres 15 to use instead of one of our own")
  static let listen = SettingKey(
    flag: "--listen", value: "ADDRESS", variable: "DAYBOOK_LISTEN", defaultValue: "127.0.0.1",
    help: "the address that the API listens on")
  static let publicURL = SettingKey(
    flag: "--public-url", value: "URL", variable: "DAYBOOK_PUBLIC_URL", defaultValue: nil,
    help: "how browsers and providers reach the API, where it is not the listening address")
  static let twilioURL = SettingKey(
    flag: "--twilio-url", value: "URL", variable: "DAYBOOK_TWILIO_URL", defaultValue: nil,
    help: "the Twilio to send through; the sandbox where it is not set")
  static let logLevel = SettingKey(
    flag: "--log-level", value: "LEVEL", variable: "DAYBOOK_LOG_LEVEL", defaultValue: "info",
    help: "debug, info, warning or error")
  static let demo = SettingKey(
    flag: "--demo", value: "yes|no", variable: "DAYBOOK_DEMO", defaultValue: "yes",
    help: "fill an empty log with demo data on the first start")

  static let all = [
    home, port, sandboxPort, databaseURL, listen, publicURL, twilioURL, logLevel, demo,
  ]

  /// Variables of ours that are none of the program's settings: the test suites read them.
  static let testVariables = ["DAYBOOK_TEST_DATABASE_URL", "DAYBOOK_DEMO_JSON"]
}

extension Settings {
  /// Reads the settings from flags (values by flag, as the command line gave them) and from all of the
  /// process's variables.
  ///
  /// Refuses a `DAYBOOK_…` variable that nobody knows, and a value that its setting can not take,
  /// naming the flag or variable that it came from.
  package init(
    flags: [String: String], environment: [String: String], workingDirectory: String
  ) throws(UsageError) {
    try Self.refuseUnknown(environment)
    try Self.refuseEmpty(flags)
    let values = SettingValues(flags: flags, environment: environment)
    home = Home(path: values.text(.home) ?? "./var", relativeTo: workingDirectory)
    port = try values.port(.port)
    sandboxPort = try values.port(.sandboxPort)
    databaseURL = try values.url(.databaseURL, schemes: ["postgres", "postgresql"])
    listenAddress = values.text(.listen) ?? "127.0.0.1"
    publicURL = try values.url(.publicURL, schemes: ["http", "https"])
    twilioURL = try values.url(.twilioURL, schemes: ["http", "https"])
    logLevel = try values.choice(.logLevel, ["debug", "info", "warning", "error"])
    seedsDemo = try values.choice(.demo, ["yes", "no"]) == "yes"
    if port != 0, port == sandboxPort {
      throw UsageError(
        "\(values.name(.port)) and \(values.name(.sandboxPort)) are both \(port):"
          + " choose another port for one of them.")
    }
  }

  /// An empty variable is the shell's way of saying that it is not set; an empty flag is a value that went missing, and the
  /// default in its place would be another folder.
  private static func refuseEmpty(_ flags: [String: String]) throws(UsageError) {
    guard let key = SettingKey.all.first(where: { flags[$0.flag]?.isEmpty == true }) else { return }
    throw UsageError("\(key.flag) is empty: give it a value, or leave it out.")
  }

  private static func refuseUnknown(_ environment: [String: String]) throws(UsageError) {
    let known = SettingKey.all.map(\.variable) + SettingKey.testVariables
    let unknown = environment.keys.filter { $0.hasPrefix("DAYBOOK_") && !known.contains($0) }
    guard let name = unknown.min() else { return }
    throw UsageError(
      "There is no setting '\(name)'.", suggestion: nearest(to: name, among: known))
  }
}

/// Looks settings up, and says where a wrong value came from.
private struct SettingValues {
  let flags: [String: String]
  let environment: [String: String]

  func text(_ key: SettingKey) -> String? {
    let given = flags[key.flag] ?? environment[key.variable]
    return given.flatMap { $0.isEmpty ? nil : $0 } ?? key.defaultValue
  }

  /// The flag or the variable, whichever was used; the variable where none was.
  func name(_ key: SettingKey) -> String {
    flags[key.flag] != nil ? key.flag : key.variable
  }

  func port(_ key: SettingKey) throws(UsageError) -> Int {
    let text = text(key) ?? ""
    guard let port = Int(text), (0...65_535).contains(port) else {
      throw wrong(key, text, "a whole number from 0 to 65535")
    }
    return port
  }

  func choice(_ key: SettingKey, _ choices: [String]) throws(UsageError) -> String {
    let text = text(key) ?? ""
    guard choices.contains(text) else {
      throw wrong(key, text, "one of " + choices.joined(separator: ", "))
    }
    return text
  }

  func url(_ key: SettingKey, schemes: [String]) throws(UsageError) -> String? {
    guard let text = text(key) else { return nil }
    let isURL = schemes.contains { text.hasPrefix("\($0)://") && text.count > $0.count + 3 }
    // libpq also takes `host=… dbname=…`.
    let isKeywords = schemes.contains("postgres") && text.contains(/^\w+ *=/)
    guard isURL || isKeywords else {
      // The value may hold a password, so that it is not repeated.
      throw UsageError("\(name(key)) must be a URL that starts with \(schemes[0])://.")
    }
    return text.hasSuffix("/") && schemes.contains("http") ? String(text.dropLast()) : text
  }

  private func wrong(_ key: SettingKey, _ text: String, _ expected: String) -> UsageError {
    UsageError("\(name(key)) is '\(text)', but must be \(expected).")
  }
}
