import Testing

/// One system that all tests of a suite share, one after the other: `@Suite(.serialized, .sharedSystem)`. Each test has
/// accounts of its own, and puts the fault dial back.
enum SharedSystem {
  @TaskLocal static var current: RunningSystem?
}

struct SharedSystemTrait: SuiteTrait, TestScoping {
  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withSystem { system in
      try await SharedSystem.$current.withValue(system) { try await function() }
    }
  }
}

extension Trait where Self == SharedSystemTrait {
  static var sharedSystem: Self { Self() }
}
