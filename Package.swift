// swift-tools-version: 6.2

import PackageDescription

/// Every Swift target: strict memory safety, warnings as errors, Swift 6 mode (below).
let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

func module(
  _ name: String, path: String, _ dependencies: [Target.Dependency] = [],
  exclude: [String] = [], resources: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path, exclude: exclude, resources: resources,
    swiftSettings: settings)
}

/// A read model: one folder with `schema.sql` and its projection.
func readModel(_ name: String, folder: String, _ dependencies: [Target.Dependency] = []) -> Target {
  module(
    name, path: "projections/\(folder)",
    ["ProjectionRuntime", "Domain", "EventCodec", "EventLog", "Postgres", "JSON"] + dependencies,
    resources: [.embedInCode("schema.sql")])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: settings)
}

let package = Package(
  name: "daybook",
  products: [
    .executable(name: "daybook", targets: ["daybook"]),
    .library(name: "faultshim", type: .dynamic, targets: ["FaultShim"]),
  ],
  targets: [
    // MARK: eventlog
    .systemLibrary(
      name: "CLMDB", path: "eventlog/CLMDB", providers: [.apt(["liblmdb-dev"])]),
    .systemLibrary(
      name: "CZstd", path: "eventlog/CZstd", pkgConfig: "libzstd",
      providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CWake", path: "eventlog/CWake"),
    module("LMDB", path: "eventlog/LMDB", ["CLMDB"], exclude: ["decisions"]),
    module("Zstd", path: "eventlog/Zstd", ["CZstd"]),
    module("Merkle", path: "eventlog/Merkle", ["Crypto"]),
    module("Vault", path: "eventlog/Vault", ["Crypto", "LMDB"]),
    module(
      "EventLog", path: "eventlog/EventLog",
      ["LMDB", "Zstd", "Merkle", "Vault", "Crypto", "JSON", "CWake"], exclude: ["decisions"]),

    // MARK: wrappers
    .systemLibrary(
      name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "libcrypto",
      providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSpawn", path: "Sources/CSpawn"),
    .systemLibrary(name: "CReadySockets", path: "Sources/CReadySockets"),
    .systemLibrary(
      name: "CPostgres", path: "Sources/CPostgres", pkgConfig: "libpq",
      providers: [.apt(["libpq-dev"])]),
    .systemLibrary(
      name: "CMicroHTTPD", path: "Sources/CMicroHTTPD", pkgConfig: "libmicrohttpd",
      providers: [.apt(["libmicrohttpd-dev"])]),
    // Functions of its name that it calls itself: linked into the program, not into a library.
    .target(name: "CMicroHTTPDPages", path: "Sources/CMicroHTTPDPages"),
    .systemLibrary(
      name: "CCurl", path: "Sources/CCurl", pkgConfig: "libcurl",
      providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(
      name: "CYAML", path: "Sources/CYAML", pkgConfig: "yaml-0.1",
      providers: [.apt(["libyaml-dev"])]),
    // libphonenumber is C++: a C shim over the two calls that we make.
    .target(
      name: "CPhoneNumbers", path: "Sources/CPhoneNumbers",
      linkerSettings: [.linkedLibrary("phonenumber"), .linkedLibrary("stdc++")]),
    module("JSON", path: "Sources/JSON"),
    // Intrinsics of AVX-512 and SHA-NI, where the processor has them.
    .target(name: "CSHA256", path: "Sources/CSHA256"),
    module("Crypto", path: "Sources/Crypto", ["COpenSSL", "CSHA256"], exclude: ["decisions"]),
    module("Postgres", path: "Sources/Postgres", ["CPostgres", "CSpawn"]),
    module(
      "HTTP", path: "Sources/HTTP", ["CMicroHTTPD", "CMicroHTTPDPages", "CCurl"],
      exclude: ["Server/decisions"]),
    module("YAML", path: "Sources/YAML", ["CYAML", "JSON"]),
    module("PhoneNumbers", path: "Sources/PhoneNumbers", ["CPhoneNumbers"]),
    module("CSV", path: "Sources/CSV"),
    module("BinaryCoding", path: "Sources/BinaryCoding"),
    module("ScratchFile", path: "Sources/ScratchFile"),
    module("Logging", path: "Sources/Logging", ["JSON"]),
    module("Spelling", path: "Sources/Spelling"),
    module("CLI", path: "Sources/CLI", ["Spelling"]),
    module("Supervisor", path: "Sources/Supervisor", ["JSON"]),

    // MARK: the product
    module("Domain", path: "Sources/Domain"),
    module("EventCodec", path: "Sources/EventCodec", ["Domain", "EventLog", "JSON"]),
    module(
      "Application", path: "Sources/Application",
      [
        "Domain", "EventCodec", "EventLog", "LMDB", "Merkle", "Crypto", "JSON", "YAML", "CSV",
        "PhoneNumbers", "BinaryCoding", "ScratchFile",
        "HTTP", "Logging",
      ],
      exclude: [
        "Audit/decisions", "Privacy/decisions", "Reactors/decisions", "Restore/decisions",
        "Snapshots/decisions",
        "State/Contacts/decisions", "Webhooks/decisions",
      ]),
    module(
      "TwilioProvider", path: "Sources/Providers/Twilio",
      ["Application", "Domain", "HTTP", "Crypto", "JSON"]),
    module(
      "SendGridProvider", path: "Sources/Providers/SendGrid",
      ["Application", "Domain", "HTTP", "Crypto", "JSON"]),
    module(
      "StripeProvider", path: "Sources/Providers/Stripe",
      ["Application", "Domain", "HTTP", "Crypto", "JSON"]),
    module(
      "API", path: "Sources/API",
      [
        "Application", "Domain", "EventCodec", "EventLog", "TwilioProvider", "ReadModels",
        "ProjectionRuntime", "Postgres", "HTTP", "JSON", "YAML", "Crypto", "CSV", "PhoneNumbers",
        "Merkle", "ContactsProjection", "TimelineProjection", "SegmentsProjection",
        "AnalyticsProjection",
        "AuditProjection", "WalletProjection", "Logging", "Spelling",
      ],
      exclude: [
        "Server/decisions", "Server/Lists/decisions", "Server/Definition/decisions",
        "Contacts/decisions", "History/decisions", "Hooks/decisions", "RequestLog/decisions",
        "Session/decisions", "Workflows/decisions",
      ]),
    .executableTarget(
      name: "daybook",
      dependencies: [
        "API", "Application", "Domain", "EventCodec", "EventLog", "Vault", "TwilioProvider",
        "SendGridProvider", "StripeProvider",
        "ReadModels", "ProjectionRuntime", "Postgres", "HTTP", "JSON", "Crypto", "Sandbox",
        "DemoData", "SeedData", "Bench", "CSV", "CLI", "Logging", "Spelling", "Supervisor",
        "Merkle",
      ],
      path: "Sources/daybook", exclude: ["decisions"], swiftSettings: settings,
      // Takes the place of glibc's allocator, by being linked before it. Why: Sources/daybook/decisions/0001-allocator.md.
      linkerSettings: [.linkedLibrary("mimalloc")]),

    // MARK: projections
    module(
      "ProjectionRuntime", path: "projections/Runtime",
      ["Domain", "EventCodec", "EventLog", "Postgres", "JSON", "Crypto", "ScratchFile"],
      exclude: ["decisions", "README.md"]),
    readModel("ContactsProjection", folder: "contacts", ["SegmentsProjection"]),
    readModel("TimelineProjection", folder: "timeline"),
    readModel("SegmentsProjection", folder: "segments"),
    readModel("AnalyticsProjection", folder: "analytics"),
    readModel("AuditProjection", folder: "audit"),
    readModel("WalletProjection", folder: "wallet"),
    // The list of all of them: what `daybook project` runs and `daybook rebuild` knows.
    module(
      "ReadModels", path: "projections/ReadModels",
      [
        "Domain", "ProjectionRuntime", "Postgres", "ContactsProjection", "TimelineProjection",
        "SegmentsProjection",
        "AnalyticsProjection", "AuditProjection", "WalletProjection",
      ]),

    // MARK: tools
    module(
      "Sandbox", path: "tools/sandbox", ["HTTP", "JSON", "Crypto"], exclude: ["README.md"],
      resources: [
        .embedInCode("page/index.html"), .embedInCode("page/phones.css"),
        .embedInCode("page/phones.js"), .embedInCode("page/mail.html"),
        .embedInCode("page/mail.js"), .embedInCode("page/common.js"),
      ]),
    module("SeedData", path: "tools/seed", ["Domain", "EventCodec", "EventLog"]),
    module("DemoData", path: "tools/demo", ["HTTP", "JSON", "Crypto"]),
    module(
      "Bench", path: "tools/bench",
      [
        "Merkle", "LMDB", "EventLog", "Crypto", "JSON", "Postgres", "HTTP", "Application", "Domain",
        "EventCodec", "TwilioProvider", "SendGridProvider",
        "SeedData", "ReadModels", "ProjectionRuntime", "ContactsProjection", "SegmentsProjection",
        "TimelineProjection", "AuditProjection", "Supervisor", "CReadySockets",
      ]),

    // The log under kills, faults and flipped bits; golden logs. `shim/` is preloaded into the process
    // that writes.
    .target(name: "FaultShim", path: "tools/crash/shim"),
    module("CrashKit", path: "tools/crash/Kit", ["EventLog", "Merkle", "Zstd", "Crypto", "JSON"]),
    .executableTarget(
      name: "crash", dependencies: ["CrashKit"], path: "tools/crash/Main",
      swiftSettings: settings),

    // MARK: tests
    module("TestSupport", path: "Tests/TestSupport", ["Postgres"]),
    tests(
      "EventLogTests",
      ["EventLog", "LMDB", "Zstd", "Merkle", "Vault", "Crypto", "JSON", "CrashKit"]),
    tests(
      "WrapperTests",
      ["JSON", "Crypto", "Postgres", "YAML", "PhoneNumbers", "CSV", "BinaryCoding", "TestSupport"]),
    // Apart from the wrappers that block threads: these wait for sockets within bounds.
    tests("HTTPTests", ["HTTP", "TestSupport"]),
    tests("DomainTests", ["Domain", "EventCodec", "EventLog", "JSON"]),
    tests(
      "ApplicationTests",
      [
        "Application", "Domain", "EventCodec", "EventLog", "JSON", "TwilioProvider",
        "SendGridProvider", "Sandbox",
        "HTTP", "Merkle", "Crypto", "Supervisor", "Vault", "BinaryCoding", "ScratchFile",
        "TestSupport",
      ]),
    // The adapters and the simulators that they talk to.
    tests(
      "ProviderTests",
      [
        "TwilioProvider", "SendGridProvider", "StripeProvider", "Sandbox", "Application", "Domain",
        "HTTP", "JSON",
        "Crypto",
      ]),
    tests(
      "ProjectionTests",
      [
        "ReadModels", "ProjectionRuntime", "ContactsProjection", "TimelineProjection",
        "SegmentsProjection", "AnalyticsProjection", "AuditProjection", "WalletProjection",
        "Domain", "EventCodec", "EventLog", "Postgres", "JSON", "SeedData", "TestSupport",
      ]),
    tests(
      "APITests",
      [
        "API", "Application", "Crypto", "Domain", "EventCodec", "EventLog", "HTTP", "JSON",
        "Postgres", "ProjectionRuntime", "TestSupport",
      ]),
    // Mutated bytes for the parsers of what strangers send.
    tests("FuzzTests", ["Application", "Domain", "HTTP", "JSON", "CSV", "YAML", "TestSupport"]),
    tests("LoggingTests", ["Logging", "JSON"]),
    tests("CLITests", ["CLI", "Crypto", "EventLog", "JSON", "LMDB", "Vault"]),
    tests("SupervisorTests", ["Supervisor", "JSON"]),
    tests(
      "EndToEndTests", ["HTTP", "JSON", "Crypto", "Postgres", "Supervisor", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
