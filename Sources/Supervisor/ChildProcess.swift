import Foundation
import Synchronization

/// How to start a program.
package struct Launch: Sendable {
  package let executable: String
  package let arguments: [String]
  package let environment: [String: String]
  /// Lives on when the terminal that it was started from goes away.
  package let startsSession: Bool

  package init(
    executable: String, arguments: [String], environment: [String: String],
    startsSession: Bool = false
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.startsSession = startsSession
  }
}

/// How a process ended.
package enum ProcessExit: Equatable, Sendable, CustomStringConvertible {
  case code(Int32)
  case signal(Int32)

  package var description: String {
    switch self {
    case .code(let code): "exit code \(code)"
    case .signal(let signal): "signal \(signal)"
    }
  }
}

/// A running program that this process has started, and waits for.
package final class ChildProcess: Sendable {
  package let identity: ProcessIdentity
  private let exit: Latch<ProcessExit>

  package var pid: Int32 { identity.pid }

  /// Starts it, and calls `onLine` on a thread of its own for each line of its standard output.
  package convenience init(
    _ launch: Launch, input: Descriptor, errors: Descriptor,
    onLine: @escaping @Sendable (String) -> Void
  ) throws(SystemError) {
    let (readEnd, writeEnd) = try Descriptor.pipe()
    try self.init(launch, input: input, output: writeEnd, errors: errors)
    Thread.detachNewThread { Self.readLines(of: readEnd, onLine: onLine) }
  }

  package init(
    _ launch: Launch, input: Descriptor, output: Descriptor, errors: Descriptor
  ) throws(SystemError) {
    let pid = try Self.spawn(launch, input: input, output: output, errors: errors)
    // A child that ended already has no start time left; its number is ours until we wait for it.
    identity = ProcessIdentity(pid: pid) ?? ProcessIdentity(pid: pid, startTicks: 0)
    let exit = Latch<ProcessExit>()
    self.exit = exit
    Thread.detachNewThread {
      do throws(SystemError) {
        exit.open(with: try Self.wait(for: pid))
      } catch {
        preconditionFailure("a child is waited for once: \(error)")
      }
    }
  }

  /// How it ended, once it has.
  package func waitForExit() async -> ProcessExit { await exit.value() }

  package var exitSoFar: ProcessExit? { exit.valueSoFar }

  /// Asks it to stop, and ends it when it has not stopped after `grace`.
  ///
  /// - Returns: how it ended.
  package func stop(grace: Duration) async throws(SystemError) -> ProcessExit {
    if let exit = exitSoFar { return exit }
    try send(SIGTERM, to: pid)
    let impatience = Task { [exit, pid] in
      try await Task.sleep(for: grace)
      if exit.valueSoFar == nil { try send(SIGKILL, to: pid) }
    }
    let result = await waitForExit()
    impatience.cancel()
    return result
  }

  private static func readLines(
    of descriptor: Descriptor, onLine: @Sendable (String) -> Void
  ) {
    var rest: [UInt8] = []
    // A pipe that can not be read any more has ended for us: the exit tells the rest.
    while let bytes = try? descriptor.read(upTo: 4096), !bytes.isEmpty {
      rest += bytes
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        onLine(String(decoding: rest[..<end], as: UTF8.self))
        rest.removeSubrange(...end)
      }
    }
  }
}

/// A value that is set once, and that any number of tasks may wait for.
package final class Latch<Value: Sendable>: Sendable {
  private enum State {
    case closed([CheckedContinuation<Value, Never>])
    case open(Value)
  }

  private let state = Mutex<State>(.closed([]))

  package init() {}

  /// Sets the value; a second call changes nothing.
  package func open(with value: Value) {
    let waiting = state.withLock { state -> [CheckedContinuation<Value, Never>] in
      guard case .closed(let waiting) = state else { return [] }
      state = .open(value)
      return waiting
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }

  package var valueSoFar: Value? {
    state.withLock { state in
      guard case .open(let value) = state else { return nil }
      return value
    }
  }

  package func value() async -> Value {
    await withCheckedContinuation { continuation in
      let value = state.withLock { state -> Value? in
        switch state {
        case .open(let value): return value
        case .closed(let waiting):
          state = .closed(waiting + [continuation])
          return nil
        }
      }
      if let value { continuation.resume(returning: value) }
    }
  }
}
