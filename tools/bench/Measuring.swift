import EventLog
import Foundation
import LMDB
import Synchronization

/// Latencies of one case, of all its clients.
final class Latencies: Sendable {
  private let nanos = Mutex<[Int64]>([])

  func add(_ some: [Int64]) { nanos.withLock { $0 += some } }

  /// In milliseconds; `share` 0.99 is p99.
  func percentile(_ share: Double) -> Double {
    let sorted = nanos.withLock { $0.sorted() }
    guard !sorted.isEmpty else { return 0 }
    let index = min(sorted.count - 1, Int(Double(sorted.count) * share))
    return Double(sorted[index]) / 1e6
  }
}

/// Runs `body` with the path of an empty directory on the disk that is measured, and removes it.
func withBenchDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let base = ProcessInfo.processInfo.environment["BENCH_DIRECTORY"] ?? NSTemporaryDirectory()
  let path = "\(base)/daybook-bench-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  do {
    let result = try await body(path)
    try FileManager.default.removeItem(atPath: path)
    return result
  } catch {
    try FileManager.default.removeItem(atPath: path)
    throw error
  }
}

/// The sizes of the files below `path`, in bytes.
func diskBytes(_ path: String) throws -> Int {
  try FileManager.default.subpathsOfDirectory(atPath: path).reduce(0) { total, name in
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
    guard attributes[.type] as? FileAttributeType == .typeRegular else { return total }
    return total + (attributes[.size] as? Int ?? 0)
  }
}

/// What this process has used of all cores so far.
func processorSeconds() -> Double {
  var usage = rusage()
  guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
  return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// LMDB alone: transactions a second that append one value of `byteCount` bytes, flushed, one after the other.
func rawLMDBFloor(_ directory: String, byteCount: Int, seconds: Double) throws -> Double {
  let path = directory + "/raw"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  let environment = try Environment.open(
    path: path, options: Environment.Options(mapBytes: 16 << 30, tables: ["values": .number]))
  defer { environment.close() }
  let values = environment.table("values")
  let value = [UInt8](repeating: 0x5a, count: byteCount)
  var count: UInt64 = 0
  let start = SystemClock.monotonicNanos()
  while Double(SystemClock.monotonicNanos() - start) < seconds * 1e9 {
    count += 1
    try environment.write { transaction throws in
      try transaction.append(value, forKey: count, to: values)
    }
  }
  return Double(count) / (Double(SystemClock.monotonicNanos() - start) / 1e9)
}

/// The device alone: 4 KiB appended and flushed, one after the other.
func deviceFloor(_ directory: String, seconds: Double) throws -> (perSecond: Double, p50: Double) {
  let path = directory + "/floor"
  guard FileManager.default.createFile(atPath: path, contents: nil),
    let file = FileHandle(forWritingAtPath: path)
  else { throw CocoaError(.fileWriteUnknown) }
  defer { _ = try? file.close() }
  let block = Data(repeating: 0x5a, count: 4096)
  var nanos: [Int64] = []
  let start = SystemClock.monotonicNanos()
  while Double(SystemClock.monotonicNanos() - start) < seconds * 1e9 {
    let before = SystemClock.monotonicNanos()
    try file.write(contentsOf: block)
    guard fdatasync(file.fileDescriptor) == 0 else { throw CocoaError(.fileWriteUnknown) }
    nanos.append(SystemClock.monotonicNanos() - before)
  }
  let latencies = Latencies()
  latencies.add(nanos)
  return (Double(nanos.count) / seconds, latencies.percentile(0.5))
}

/// The device alone: megabytes a second of a file that was just written, read from the kernel's memory a megabyte at a time.
/// The best of three.
func readFloor(_ directory: String) throws -> Double {
  let (path, megabytes) = (directory + "/read-floor", 64)
  let piece = Data(repeating: 0x5a, count: 1 << 20)
  guard FileManager.default.createFile(atPath: path, contents: nil),
    let file = FileHandle(forUpdatingAtPath: path)
  else { throw CocoaError(.fileWriteUnknown) }
  defer {
    _ = try? file.close()
    _ = try? FileManager.default.removeItem(atPath: path)
  }
  for _ in 0..<megabytes { try file.write(contentsOf: piece) }
  let rates = try (0..<3).map { _ in
    try file.seek(toOffset: 0)
    let start = SystemClock.monotonicNanos()
    var byteCount = 0
    while let read = try file.read(upToCount: piece.count), !read.isEmpty {
      byteCount += read.count
    }
    return Double(byteCount) / 1e6 / (Double(SystemClock.monotonicNanos() - start) / 1e9)
  }
  return rates.max() ?? 0
}

/// What the device does alone, for benchmarks whose figures have no floor of their own.
func reportDevice(bench: String, _ report: (Bench.Figure) -> Void) async throws {
  try await withBenchDirectory { directory in
    let flush = try deviceFloor(directory, seconds: 0.3)
    let figures = [
      ("flush_per_second", flush.perSecond), ("flush_p50_ms", flush.p50),
      ("read_mb_per_second", try readFloor(directory)),
    ]
    for (metric, value) in figures {
      report(Bench.Figure(bench: bench, caseName: "device", metric: metric, value: value))
    }
  }
}

/// How much memory a process, mostly this one, holds at most between two moments, looked at twenty times a second.
final class MemoryWatch: Sendable {
  private let isOver = Atomic(false)
  private let peaks = Mutex((all: 0.0, anonymous: 0.0))
  private let path: String

  init(of pid: Int32? = nil) {
    path = "/proc/\(pid.map(String.init) ?? "self")/status"
    let thread = Thread { [self] in
      while !isOver.load(ordering: .relaxed) {
        look()
        usleep(50_000)
      }
    }
    thread.start()
  }

  func stop() {
    look()
    isOver.store(true, ordering: .relaxed)
  }

  /// With the pages of the log that are mapped, which the kernel takes back when it wants.
  var peakMegabytes: Double { peaks.withLock { $0.all } }
  var peakAnonymousMegabytes: Double { peaks.withLock { $0.anonymous } }

  private func look() {
    guard let status = try? String(contentsOfFile: path, encoding: .utf8) else {
      return
    }
    func megabytes(_ name: String) -> Double {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
      return (line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
    }
    let (all, anonymous) = (megabytes("VmRSS"), megabytes("RssAnon"))
    peaks.withLock { $0 = (max($0.all, all), max($0.anonymous, anonymous)) }
  }
}
