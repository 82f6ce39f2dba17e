import Application
import Domain
import HTTP
import JSON

/// The org's lists of addresses.
enum SuppressionReads {
  static let all: [Operation] = [
    Operation.list(
      "/api/suppressions", "contacts:read", "List the addresses on the account's lists",
      of: SendingSchemas.suppression, sorts: ["address"], rows: list)
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let listed = try await exchange.readState { $0.suppressions }
    let data = listed.map { entry -> JSON in
      [
        "object": "suppression", "list": .string(entry.list.rawValue),
        "channel": .string(entry.channel.rawValue), "address": .string(entry.address),
      ]
    }
    return try await .of(data, list, exchange) { entry in
      ["list", "channel"].map { entry[$0]?.string ?? "" }.joined(separator: " ")
    }
  }
}
