import CSV
import Crypto
import Domain

/// Takes a CSV file of contacts in.
///
/// A row is the contact that has its phone or its email, else a new one. Of a contact that is there
/// only what is empty is filled, never anything replaced; tags are added. Rows without phone and
/// email are told apart by name. So the same file again creates and changes nothing.
///
/// ```swift
/// let importing = ContactImport(executor: executor, tools: tools, options: options, call: call)
/// let report = try await importing.run(bytes) { done, all in print("\(done) of \(all)") }
/// ```
package struct ContactImport: Sendable {
  package struct Options: Sendable {
    /// Column → field; an empty field leaves the column out. What is not named is guessed.
    package var columns: [String: String]
    /// Of everybody in the file.
    package var tags: [String]
    /// Where new contacts come from, unless a column says so.
    package var source: String
    /// What the people in the file agreed to. Recorded for new contacts that have the channel's
    /// address, and for nobody whose address opted out.
    package var consent: ConsentRequest?
    /// The report of what would follow; nothing is written.
    package var isDryRun: Bool

    package init(
      columns: [String: String] = [:], tags: [String] = [], source: String = "import",
      consent: ConsentRequest? = nil, isDryRun: Bool = false
    ) {
      self.columns = columns
      self.tags = tags
      self.source = source
      self.consent = consent
      self.isDryRun = isDryRun
    }
  }

  /// Rows a commit: enough to share a flush, few enough for others to get their turn in between.
  static let batchRowCount = 200
  /// Longer files are better cut: an import is one request.
  static let byteLimit = 64 << 20

  private let executor: OrgExecutor
  private let tools: Tools
  private var options: Options
  private let call: Call
  private let mayGoOn: @Sendable () -> Bool

  /// `mayGoOn`: asked before each commit, whether whoever ordered the import still may.
  package init(
    executor: OrgExecutor, tools: Tools, options: Options, call: Call,
    mayGoOn: @escaping @Sendable () -> Bool = { true }
  ) {
    self.executor = executor
    self.tools = tools
    self.options = options
    self.call = call
    self.mayGoOn = mayGoOn
  }

  /// Imports the file, a few hundred rows a commit. `progress` is told the rows done and all rows.
  ///
  /// With the call's idempotency key used before: answers with the counts of the first time, or goes
  /// on with an import that was interrupted; the rows that it had taken count as unchanged then.
  ///
  /// - Throws: `ImportError`; nothing was written, except before `.interrupted` and `.withdrawn`.
  package func run(
    _ bytes: [UInt8], progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) async throws(ImportError) -> ImportReport {
    let file = try ContactFile(bytes, options: options)
    var rows = RowStream(file: file, numbers: tools.numbers, tags: options.tags)
    let job = Identifier(
      .importJob, millis: tools.clock.nowMicros() / 1_000, random: tools.random.next())
    var session = ImportSession(
      executor: executor, options: options, call: call, file: file, job: job)
    repeat {
      let batch = try rows.next(Self.batchRowCount)
      guard mayGoOn() else { throw .withdrawn(afterRowCount: session.doneRowCount) }
      if let known = try await session.take(batch, isLast: rows.isAtEnd) {
        return try await answerAgain(known, bytes)
      }
      progress(session.doneRowCount, file.rowCount)
    } while !rows.isAtEnd
    return await session.finished()
  }

  /// The job keeps counts only: what is wrong with which row is found out anew.
  private func answerAgain(
    _ known: ImportSession.Known, _ bytes: [UInt8]
  ) async throws(ImportError) -> ImportReport {
    var rehearsal = self
    rehearsal.options.isDryRun = true
    var report = try await rehearsal.run(bytes)
    report.adopt(known)
    return report
  }
}

extension Workspace {
  /// The org's imports, oldest first.
  package var imports: [Identifier] { state.tables.importJobs.keys.sorted() }
}

/// A file that was found fit: how it is to be read and what its columns are.
struct ContactFile: Sendable {
  let reader: CSVReader
  let columns: ContactColumns
  let rowCount: Int
  /// SHA-256 in hex.
  let fingerprint: String

  /// Reads through the whole file once, to know its rows.
  init(_ bytes: [UInt8], options: ContactImport.Options) throws(ImportError) {
    for tag in options.tags {
      guard (1...100).contains(tag.utf8.count) else { throw .invalidTag(limitBytes: 100) }
    }
    var limits = CSVReader.Limits()
    limits.byteCount = ContactImport.byteLimit
    do throws(CSVError) {
      reader = try CSVReader(bytes: bytes, limits: limits)
      var counter = reader
      var count = 0
      while try counter.next() != nil { count += 1 }
      rowCount = count
    } catch {
      throw .file(error)
    }
    columns = try ContactColumns(header: reader.header, map: options.columns)
    if let channel = options.consent?.channel {
      let field = channel == .email ? "email" : "phone"
      guard columns.has(field) else { throw .consentWithoutAddress(channel) }
    }
    fingerprint = Hex.encode(SHA256.hash(bytes))
  }
}

/// The rows of a file in batches.
private struct RowStream {
  private var reader: CSVReader
  private let rows: RowReader
  private var leftCount: Int

  init(file: ContactFile, numbers: any NumberingPlan, tags: [String]) {
    reader = file.reader
    rows = RowReader(columns: file.columns, numbers: numbers, tags: tags)
    leftCount = file.rowCount
  }

  var isAtEnd: Bool { leftCount == 0 }

  mutating func next(_ limit: Int) throws(ImportError) -> [Result<ImportRow, RowFailure>] {
    var batch: [Result<ImportRow, RowFailure>] = []
    do throws(CSVError) {
      while batch.count < limit, let record = try reader.next() { batch.append(rows.read(record)) }
    } catch {
      throw .file(error)
    }
    leftCount -= batch.count
    return batch
  }
}
