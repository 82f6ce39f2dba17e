import Domain
import Synchronization

/// What campaigns were last read as. A prefix of a stream never changes, so none of it is ever wrong; whoever
/// reads goes on from there.
final class CampaignSnapshots: Sendable {
  /// Of this org alone: its ids mean nothing in another's book.
  private struct Key: Hashable {
    let org: Identifier
    let campaign: Identifier
  }

  private let known = Mutex<[Key: Snapshot<Campaign.State>]>([:])
  /// More than people look at.
  private static let limit = 64

  /// nil where nothing is known, or only what came after `version`.
  func snapshot(
    of campaign: Identifier, in org: Identifier, upTo version: UInt64
  ) -> Snapshot<Campaign.State>? {
    known.withLock { known in
      guard let snapshot = known[Key(org: org, campaign: campaign)], snapshot.version <= version
      else { return nil }
      return snapshot
    }
  }

  func keep(_ snapshot: Snapshot<Campaign.State>, of campaign: Identifier, in org: Identifier) {
    let key = Key(org: org, campaign: campaign)
    known.withLock { known in
      guard snapshot.version > known[key]?.version ?? 0 else { return }
      if known[key] == nil, known.count >= Self.limit { known.removeAll() }
      known[key] = snapshot
    }
  }
}
