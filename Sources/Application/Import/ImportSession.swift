import Domain
import EventLog

/// One import under way: its batches, each a commit, the job's start in the first and its end in the
/// last.
struct ImportSession {
  private let executor: OrgExecutor
  private let options: ContactImport.Options
  private let file: ContactFile
  private var call: Call
  private var job: Identifier
  private var isStarted = false
  private let memory = ImportMemoryBox()
  private var report: ImportReport
  private(set) var doneRowCount = 0

  init(
    executor: OrgExecutor, options: ContactImport.Options, call: Call, file: ContactFile,
    job: Identifier
  ) {
    self.executor = executor
    self.options = options
    self.call = call
    self.file = file
    self.job = job
    report = ImportReport(job: job, file: file)
  }

  /// What a batch came to.
  private struct Taken: Sendable {
    var tally: RowTally
    /// How the job had ended, where another run under the same key ended it first.
    var known: ImportOutcome?
  }

  /// An import that had been done before.
  struct Known {
    let job: Identifier
    let outcome: ImportOutcome
    let lastPosition: UInt64
  }

  /// Takes a batch. Returns how the import ended where it proves to have been done before.
  mutating func take(
    _ rows: [Result<ImportRow, RowFailure>], isLast: Bool
  ) async throws(ImportError) -> Known? {
    if options.isDryRun {
      add(try await rehearsed(rows), rowCount: rows.count)
      return nil
    }
    let done = try await performed(rows, isLast: isLast)
    if let receipt = done.receipt, done.isReplay || receipt.isReplay {
      return try await resume(after: receipt, rows, isLast: isLast)
    }
    guard let taken = done.output else { preconditionFailure("only a replay has no output") }
    add(taken, rowCount: rows.count)
    if !isStarted, let receipt = done.receipt { start(under: job, receipt) }
    guard let outcome = taken.known else { return nil }
    return Known(job: job, outcome: outcome, lastPosition: await executor.lastPosition)
  }

  /// The report at the end of all batches.
  consuming func finished() async -> ImportReport {
    if options.isDryRun {
      report.isTrial = true
      report.rehearsedEvents = memory.take().rehearsedEvents
    } else {
      report.lastPosition = await executor.lastPosition
    }
    report.finish()
    return report
  }

  private mutating func add(_ taken: Taken, rowCount: Int) {
    report.add(taken.tally)
    doneRowCount += rowCount
  }

  /// From here on the job is on disk: the key has done its service, and all that follows is caused by
  /// the job's start.
  private mutating func start(under job: Identifier, _ receipt: Receipt) {
    self.job = job
    report.job = job
    call.idempotencyKey = nil
    call.causation = receipt.firstPosition
    isStarted = true
  }
}

// MARK: - On the executor

extension ImportSession {
  private func rehearsed(
    _ rows: [Result<ImportRow, RowFailure>]
  ) async throws(ImportError) -> Taken {
    let (options, columns, memory) = (options, file.columns, memory)
    do throws(CommandError) {
      return try await executor.read { workspace throws(CommandError) in
        var desk = ImportDesk(
          options: options, columns: columns, workspace: copy workspace, memory: memory.take())
        let tally = try desk.take(rows)
        memory.put(desk.memory)
        return Taken(tally: tally)
      }
    } catch {
      throw .interrupted(afterRowCount: doneRowCount, error)
    }
  }

  private func performed(
    _ rows: [Result<ImportRow, RowFailure>], isLast: Bool
  ) async throws(ImportError) -> Done<Taken> {
    let (options, file, job, memory, report) = (options, file, job, memory, report)
    let isFirst = !isStarted
    do throws(CommandError) {
      return try await executor.perform(call) { workspace throws(CommandError) in
        if isFirst {
          try workspace.run(
            ImportJob.self, job,
            .start(
              fingerprint: file.fingerprint, rowCount: file.rowCount,
              mapping: file.columns.mapping), isNew: true)
        }
        var desk = ImportDesk(
          options: options, columns: file.columns, workspace: workspace, memory: memory.take())
        let tally = try desk.take(rows)
        workspace = desk.workspace
        desk.memory.forgetAddresses()
        memory.put(desk.memory)
        var taken = Taken(tally: tally)
        if isLast {
          var total = report
          total.add(tally)
          taken.known = try workspace.complete(job, total.outcome)
        }
        return taken
      }
    } catch {
      throw .interrupted(afterRowCount: doneRowCount, error)
    }
  }

  /// The call's key had been used: the import is the one of then. Returns how it ended, or, where it
  /// never came to its end, goes on under its job.
  private mutating func resume(
    after receipt: Receipt, _ rows: [Result<ImportRow, RowFailure>], isLast: Bool
  ) async throws(ImportError) -> Known? {
    guard let stream = receipt.versions.first?.stream else {
      preconditionFailure("an import's first commit starts its job")
    }
    start(under: Identifier(.importJob, stream.value), receipt)
    guard let outcome = try await outcome() else {
      return try await take(rows, isLast: isLast)
    }
    return Known(job: job, outcome: outcome, lastPosition: receipt.lastPosition)
  }

  private func outcome() async throws(ImportError) -> ImportOutcome? {
    let job = job
    do throws(CommandError) {
      return try await executor.read { workspace throws(CommandError) in
        try workspace.current(ImportJob.self, job).outcome
      }
    } catch {
      throw .interrupted(afterRowCount: 0, error)
    }
  }
}

extension Workspace {
  /// Ends the job. Returns how it had ended, where it had: two runs under one key met.
  fileprivate mutating func complete(
    _ job: Identifier, _ outcome: ImportOutcome
  ) throws(CommandError) -> ImportOutcome? {
    if let known = try current(ImportJob.self, job).outcome { return known }
    try run(ImportJob.self, job, .complete(outcome))
    return nil
  }
}
