import Application
import Domain
import EventLog
import HTTP
import JSON
import Merkle

/// Heads and keys for whoever wants to keep them: `/.well-known/daybook/`. Holds no account's data: names are
/// random, and heads are hashes.
enum CheckpointRoutes {
  private static let base = "/.well-known/daybook"

  static let all = [
    Operation(
      "GET", "\(base)", .open, "The log's name, keys and newest head",
      answers: [.ok(.map(.anything))], refuses: unavailable, handler: index),
    text("\(base)/instance/vkey", "The key of the log of all heads", instanceKey),
    text("\(base)/instance/checkpoint", "The signed head of that log", instanceCheckpoint),
    entries("{a}"), entries("{a}/{b}"), entries("{a}/{b}/{c}"),
    text("\(base)/accounts/{id}/vkey", "The key of an account's heads", accountKey),
    text("\(base)/accounts/{id}/checkpoint", "An account's newest head", accountCheckpoint),
  ]

  private static let unavailable = [503: ["signing_unavailable", "signing_on_hold"]]

  private static func text(
    _ path: String, _ summary: String, _ handler: @escaping Operation.Handler
  ) -> Operation {
    Operation(
      "GET", path, .open, summary, answers: [.text("text/plain", summary + ".")],
      refuses: unavailable, handler: handler)
  }

  private static func entries(_ path: String) -> Operation {
    Operation(
      "GET", "\(base)/instance/tile/entries/\(path)", .open, "Published heads, a tile at a time",
      details: "Paths of c2sp.org/tlog-tiles: `000`, `x001/067`, `000.p/12`.",
      answers: [.text("application/octet-stream", "An entry bundle.")], refuses: unavailable,
      handler: entries)
  }

  private static func index(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let notary = try exchange.exports().notary
    let checkpoint = try await instanceHead(exchange)
    return exchange.respond(
      200,
      [
        "object": "checkpoints", "log": .string("daybook/\(notary.identity.id)"),
        "incarnation": .int(Int64(notary.identity.incarnation)),
        "instance": [
          "verifier_key": .string(notary.instanceVerifierKey),
          "checkpoint": .string(checkpoint),
        ],
        "account_verifier_key": .string("\(base)/accounts/{id}/vkey"),
        "account_checkpoint": .string("\(base)/accounts/{id}/checkpoint"),
      ])
  }

  private static func instanceKey(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    .text(200, try exchange.exports().notary.instanceVerifierKey + "\n")
  }

  private static func instanceCheckpoint(
    _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    .text(200, try await instanceHead(exchange))
  }

  private static func instanceHead(_ exchange: Exchange) async throws(APIError) -> String {
    let notary = try exchange.exports().notary
    do {
      return try await notary.instanceCheckpoint
    } catch {
      throw exchange.failure(error)
    }
  }

  /// An entry bundle at its path of c2sp.org/tlog-tiles: `000`, `x001/067`, `000.p/12`.
  private static func entries(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let name = ["a", "b", "c"].compactMap { exchange.path[$0] }.joined(separator: "/")
    guard let tile = TilePath.entryBundle("tile/entries/" + name) else { throw .notFound("tile") }
    let notary = try exchange.exports().notary
    let found: [UInt8]?
    do {
      found = try await notary.instanceEntries(tile.index, width: tile.width)
    } catch {
      throw exchange.failure(error)
    }
    guard let bytes = found else { throw .notFound("tile") }
    var response = HTTPResponse(status: 200, body: .bytes(bytes))
    response.headers.set("content-type", "application/octet-stream")
    return response
  }

  private static func accountKey(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let org = try account(exchange)
    return .text(200, try exchange.exports().notary.signer(of: org).verifier.verifierKey + "\n")
  }

  private static func accountCheckpoint(
    _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let org = try account(exchange)
    let notary = try exchange.exports().notary
    do {
      if let latest = try await notary.latest(of: org) { return .text(200, latest) }
      return .text(200, try await notary.publish(org).checkpoint)
    } catch {
      throw exchange.failure(error)
    }
  }

  private static func account(_ exchange: Exchange) throws(APIError) -> Identifier {
    let org = try exchange.id("id", .org)
    do {
      _ = try exchange.engine.executor(for: org)
      return org
    } catch {
      throw APIError(error)
    }
  }
}
