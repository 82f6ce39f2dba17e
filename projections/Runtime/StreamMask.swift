internal import Domain

/// The kinds of stream that a projection looks at, as bits: asked for every event of the log.
struct StreamMask {
  private let bits: UInt32

  /// nil: all.
  init(_ kinds: Set<Identifier.Kind>?) {
    bits = kinds.map { $0.reduce(0) { $0 | $1.bit } } ?? .max
  }

  func contains(_ kind: Identifier.Kind) -> Bool { bits & kind.bit != 0 }
}

extension Identifier.Kind {
  fileprivate var bit: UInt32 {
    switch self {
    case .org: 1
    case .user: 1 << 1
    case .apiKey: 1 << 2
    case .role: 1 << 3
    case .contact: 1 << 4
    case .message: 1 << 5
    case .wallet: 1 << 6
    case .campaign: 1 << 7
    case .segment: 1 << 8
    case .workflow: 1 << 9
    case .run: 1 << 10
    case .timer: 1 << 11
    case .webhookEndpoint: 1 << 12
    case .inboundHook: 1 << 13
    case .importJob: 1 << 14
    case .template: 1 << 15
    case .payment: 1 << 16
    case .auditExport: 1 << 17
    case .erasure: 1 << 18
    case .event: 1 << 19
    case .request: 1 << 20
    }
  }
}
