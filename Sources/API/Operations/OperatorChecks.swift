import Application
import Domain
import HTTP
import JSON

/// What is wrong in accounts, for the operator's `daybook doctor`: ids and words, nobody's data.
enum OperatorChecks {
  static let operation = Operation(
    "GET", "/api/operator/checks", .operation, "What is wrong in accounts, in words",
    details: "Providers without credentials, webhook endpoints that fail or were disabled.",
    answers: [.ok(answer)], handler: check)

  private static let answer = Schema.object(
    "OperatorChecks",
    [
      .required("object", .constant("operator_checks")), .required("accounts", .count),
      .required(
        "problems",
        .array(
          .object([
            .required("account", .id(.org)), .required("subject", .string()),
            .required("severity", .choice(["warning", "problem"])), .required("words", .string()),
            .required("advice", .string()),
          ]))),
    ])

  /// More are not read by anybody.
  private static let limit = 100

  private static func check(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var problems: [JSON] = []
    let executors = exchange.engine.allExecutors
    for executor in executors where problems.count < limit {
      do {
        problems += try await Self.problems(of: executor, exchange)
      } catch {
        throw APIError(error)
      }
    }
    return exchange.respond(
      200,
      [
        "object": "operator_checks", "accounts": JSON(executors.count),
        "problems": .array(Array(problems.prefix(limit))),
      ])
  }

  private static func problems(
    of executor: OrgExecutor, _ exchange: Exchange
  ) async throws(CommandError) -> [JSON] {
    let org = executor.org
    let (settings, endpoints) = try await executor.read { workspace throws(CommandError) in
      (workspace.settings, workspace.webhookEndpointStates)
    }
    var problems = providerProblems(settings, org, exchange)
    for (id, endpoint) in endpoints where !endpoint.isDeleted {
      let standing = exchange.engine.deliveries.standing(of: id)
      if !endpoint.isEnabled {
        problems.append(
          problem(
            org, "webhooks", "warning", "\(id) of \(org) is disabled: nothing is delivered to it.",
            "Once its receiver works: POST /api/webhook-endpoints/\(id)/enable delivers the rest."))
      } else if let standing, standing.isCircuitOpen {
        let next = standing.retryAtMicros.map { " Next attempt: \(Timestamp.text($0))." } ?? ""
        problems.append(
          problem(
            org, "webhooks", "problem",
            "\(id) of \(org) takes nothing: \(standing.waitingCount) events wait.\(next)",
            "What it answers: GET /api/webhook-endpoints/\(id)/deliveries."))
      }
    }
    return problems
  }

  private static func providerProblems(
    _ settings: Org.State, _ org: Identifier, _ exchange: Exchange
  ) -> [JSON] {
    var problems: [JSON] = []
    if let sms = settings.sms, sms.authToken.value?.isEmpty != false {
      problems.append(
        problem(
          org, "providers", "problem", "\(org) texts through Twilio without an auth token.",
          "PUT /api/providers/sms with its secrets."))
    }
    for (service, provider) in settings.providers.sorted(by: { $0.key.rawValue < $1.key.rawValue })
    {
      let description = exchange.services.adapters.descriptions(for: service)
        .first { $0.name == provider.provider }
      let known = Set((provider.secrets.value ?? [:]).keys)
      let missing = (description?.requiredSecrets ?? []).subtracting(known).sorted()
      guard description == nil || !missing.isEmpty else { continue }
      let words =
        description == nil
        ? "\(org) has \(provider.provider) for \(service.rawValue), which this program does not know."
        : "\(org) lacks \(missing.joined(separator: ", ")) of \(provider.provider)."
      problems.append(
        problem(
          org, "providers", "problem", words,
          "PUT /api/providers/\(service.rawValue) with all of its secrets."))
    }
    return problems
  }

  private static func problem(
    _ org: Identifier, _ subject: String, _ severity: String, _ words: String, _ advice: String
  ) -> JSON {
    [
      "account": .string(org.text), "subject": .string(subject), "severity": .string(severity),
      "words": .string(words), "advice": .string(advice),
    ]
  }
}
