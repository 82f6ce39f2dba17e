import Crypto
import Domain

/// What is kept of an address whose owner was erased: a code that only the org's key makes again.
struct AddressHasher: Sendable {
  private let key: String
  private let keyed: HMACSHA256

  /// `key`: 64 digits of 32 random bytes, see `Org.Event.addressKeyDrawn`. Their text is the key.
  init(key: String) {
    self.key = key
    keyed = HMACSHA256(key: Array(key.utf8))
  }

  /// Of the address in the form in which addresses are compared: 64 digits in hex. A no to everything and one to
  /// advertising alone look alike, and are not the same.
  func hash(_ address: String, _ channel: Channel, _ purpose: Purpose = .transactional) -> String {
    let scope = purpose == .marketing ? "\0marketing" : ""
    let text = "daybook/address/v1\0\(channel.rawValue)\0\(channel.key(address))\(scope)"
    return Hex.encode(keyed.authenticate(Array(text.utf8)))
  }
}

/// As its key: the rest follows from it.
extension AddressHasher: Codable {
  init(from decoder: any Decoder) throws {
    self.init(key: try decoder.singleValueContainer().decode(String.self))
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(key)
  }
}

/// The noes of people who were erased, and their addresses on the account's lists.
struct KeyedOptOuts: Sendable, Codable {
  private struct Entry: Hashable, Codable {
    let channel: Channel
    let hash: String
  }

  var hasher: AddressHasher?
  private var entries: Set<Entry> = []
  /// Taken back by whoever has the address now. Said again when they are erased in turn: their yes is
  /// not readable any more by then.
  private var lifted: Set<Entry> = []
  /// On lists, and not to be shown.
  private var listed: Set<Entry> = []

  /// What is shown of an address on a list instead of it; nil where that is the address itself.
  func shown(_ address: DispatchQueueIndex.Address) -> String? {
    guard !listed.isEmpty, let entry = entry(of: address, .transactional), listed.contains(entry)
    else { return nil }
    return "erased:" + entry.hash.prefix(16)
  }

  /// Somebody has put the address on a list anew.
  mutating func show(_ address: DispatchQueueIndex.Address) {
    guard !listed.isEmpty, let entry = entry(of: address, .transactional) else { return }
    listed.remove(entry)
  }

  func contains(_ address: DispatchQueueIndex.Address) -> Bool {
    contains(address, .transactional)
  }

  /// Advertising alone ended at it.
  func endsMarketing(_ address: DispatchQueueIndex.Address) -> Bool {
    contains(address, .marketing)
  }

  private func contains(_ address: DispatchQueueIndex.Address, _ purpose: Purpose) -> Bool {
    guard !entries.isEmpty, let entry = entry(of: address, purpose) else { return false }
    return entries.contains(entry)
  }

  func isLifted(_ hash: String, _ channel: Channel) -> Bool {
    lifted.contains(Entry(channel: channel, hash: hash))
  }

  /// A person with this address said yes: what was asked for they have with any yes.
  mutating func lift(_ address: DispatchQueueIndex.Address, _ purpose: Purpose) {
    for covered in purpose == .marketing ? Purpose.allCases : [.transactional] {
      guard !entries.isEmpty, let entry = entry(of: address, covered),
        entries.remove(entry) != nil
      else { continue }
      lifted.insert(entry)
      // The no was to everything, and advertising is not what they said yes to.
      guard purpose == .transactional, let rest = self.entry(of: address, .marketing) else {
        continue
      }
      entries.insert(rest)
      lifted.remove(rest)
    }
  }

  /// What an erasure says is free, to be told of addresses that can be read.
  struct Lifted {
    private let hashes: [Channel: Set<String>]
    private let hasher: AddressHasher?

    init(_ addresses: [KeyedAddress], _ hasher: AddressHasher?) {
      let free = addresses.filter { !$0.isOptedOut && !$0.isListed }
      hashes = Dictionary(grouping: free, by: \.channel).mapValues { Set($0.map(\.hash)) }
      self.hasher = hasher
    }

    var isEmpty: Bool { hashes.isEmpty }

    func contains(_ address: String, _ channel: Channel, _ purpose: Purpose) -> Bool {
      guard let hasher, let hashes = hashes[channel] else { return false }
      return hashes.contains(hasher.hash(address, channel, purpose))
    }
  }

  /// What an erasure leaves.
  mutating func apply(_ addresses: [KeyedAddress]) {
    for address in addresses {
      let entry = Entry(channel: address.channel, hash: address.hash)
      if address.isListed {
        listed.insert(entry)
      } else if address.isOptedOut {
        entries.insert(entry)
        lifted.remove(entry)
      } else {
        entries.remove(entry)
        lifted.insert(entry)
      }
    }
  }

  private func entry(of address: DispatchQueueIndex.Address, _ purpose: Purpose) -> Entry? {
    hasher.map {
      Entry(channel: address.channel, hash: $0.hash(address.key, address.channel, purpose))
    }
  }
}
