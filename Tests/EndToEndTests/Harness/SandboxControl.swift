import JSON

extension RunningSystem {
  /// Turns the sandbox's dial; fields that are not named stay.
  nonisolated func setFaults(_ faults: JSON) async throws {
    try await sandbox.post("/sandbox/faults", faults, expecting: 200)
  }

  /// What the sandbox counted.
  nonisolated func sandboxCount(_ name: String) async throws -> Int64 {
    guard let count = try await sandbox.get("/sandbox/stats")[name]?.int else {
      throw HarnessError("the sandbox counts no \(name)")
    }
    return count
  }

  nonisolated func waitUntilCallbacksAreDone() async throws {
    try await eventually("the sandbox's callbacks") {
      try await sandboxCount("callbacks_pending") == 0
    }
  }
}
