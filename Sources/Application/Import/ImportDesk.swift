import Domain
import EventCodec
import EventLog
import Synchronization

/// What rows came to.
struct RowTally: Sendable {
  var createdCount = 0
  var updatedCount = 0
  var unchangedCount = 0
  var failed: [FailedRow] = []

  enum Ending {
    case created
    case updated
    case unchanged
  }

  mutating func add(_ ending: Ending) {
    switch ending {
    case .created: createdCount += 1
    case .updated: updatedCount += 1
    case .unchanged: unchangedCount += 1
    }
  }
}

/// What an import remembers from one batch of rows to the next.
struct ImportMemory: Sendable {
  /// Addresses of the contacts that the org's own indexes do not hold yet: those of this batch, and
  /// in a dry run those of the whole file.
  fileprivate var byPhone: [String: Identifier] = [:]
  fileprivate var byEmail: [String: Identifier] = [:]
  /// Contacts without an address by name; nil until a row asks for one.
  fileprivate var byName: [String: [Identifier]]?
  /// Contacts that this import created: the consent given for the list is theirs.
  fileprivate var created: Set<Identifier> = []
  /// Only of a dry run: contacts as they would be.
  fileprivate var rehearsed: [Identifier: Contact.State] = [:]
  /// Only of a dry run: the events that would be written to contacts, by type.
  fileprivate(set) var rehearsedEvents: [String: Int] = [:]

  init() {}

  /// After a commit: the org's own indexes hold them now.
  mutating func forgetAddresses() {
    byPhone = [:]
    byEmail = [:]
  }
}

/// Hands the memory from batch to batch. Whoever takes it has the only one: captured by a closure it
/// would be copied with every batch.
final class ImportMemoryBox: Sendable {
  private let held = Mutex(ImportMemory())

  func take() -> ImportMemory {
    held.withLock { held in
      let memory = held
      held = ImportMemory()
      return memory
    }
  }

  func put(_ memory: ImportMemory) { held.withLock { $0 = memory } }
}

/// Takes rows in, one after the other: each is a new contact, adds to one that is there, or changes
/// nothing. A row that is refused leaves no trace.
struct ImportDesk {
  let options: ContactImport.Options
  let columns: ContactColumns
  var workspace: Workspace
  var memory: ImportMemory

  mutating func take(_ rows: [Result<ImportRow, RowFailure>]) throws(CommandError) -> RowTally {
    var tally = RowTally()
    for row in rows {
      switch row {
      case .success(let row): try take(row, &tally)
      case .failure(let failure): tally.failed.append(failure.row)
      }
    }
    return tally
  }

  private mutating func take(_ row: ImportRow, _ tally: inout RowTally) throws(CommandError) {
    do throws(Refusal) {
      tally.add(try ending(of: row))
    } catch {
      guard case .row(let reason) = error else { throw error.commandError }
      tally.failed.append(FailedRow(line: row.line, fields: row.fields, errors: [reason]))
    }
  }

  /// Why a row was not taken: its own fault, or something that stops the import.
  private enum Refusal: Error {
    case row(ImportReport.RowError)
    case command(CommandError)

    var commandError: CommandError {
      guard case .command(let error) = self else {
        preconditionFailure("a row's own fault stops nothing")
      }
      return error
    }
  }

  private mutating func ending(of row: ImportRow) throws(Refusal) -> RowTally.Ending {
    guard let id = try existing(row) else {
      try create(row)
      return .created
    }
    let contact = try contact(id)
    let isChanged = try carryOut(additions(of: row, to: contact, id), on: id, contact, row)
    return isChanged ? .updated : .unchanged
  }
}

// MARK: - Who is it?

extension ImportDesk {
  private mutating func existing(_ row: ImportRow) throws(Refusal) -> Identifier? {
    let details = row.details
    let byPhone = details.phone.flatMap {
      memory.byPhone[$0] ?? workspace.state.contacts.contacts(withPhone: $0).first
    }
    let byEmail = details.email?.lowercased()
    let other = byEmail.flatMap {
      memory.byEmail[$0] ?? workspace.state.contacts.contacts(withEmail: $0).first
    }
    if let byPhone, let other, byPhone != other {
      throw .row(
        error(
          row, "email", "duplicate_contact",
          "The phone belongs to \(byPhone), the email to \(other)."))
    }
    if let id = byPhone ?? other { return id }
    guard details.phone == nil, details.email == nil else { return nil }
    return try namesake(row)
  }

  /// The contact without an address that has this name and nothing that contradicts the row.
  private mutating func namesake(_ row: ImportRow) throws(Refusal) -> Identifier? {
    for id in try namesakes()[row.details.nameKey] ?? [] {
      let contact = try contact(id)
      let fits = row.details.fields.allSatisfy { field, value in
        let known = contact.details[field]
        return known == nil || known == value
          || known?.spelled.lowercased() == value.spelled.lowercased()
      }
      if fits, contact.details.phone == nil, contact.details.email == nil { return id }
    }
    return nil
  }

  private mutating func namesakes() throws(Refusal) -> [String: [Identifier]] {
    if let known = memory.byName { return known }
    var names: [String: [Identifier]] = [:]
    for id in workspace.state.contacts.withoutAddress {
      names[try contact(id).details.nameKey, default: []].append(id)
    }
    memory.byName = names
    return names
  }

  private func contact(_ id: Identifier) throws(Refusal) -> Contact.State {
    if let contact = memory.rehearsed[id] { return contact }
    do throws(CommandError) {
      return try workspace.contact(id)
    } catch {
      throw .command(error)
    }
  }
}

// MARK: - What follows?

extension ImportDesk {
  private mutating func create(_ row: ImportRow) throws(Refusal) {
    let id = workspace.newID(.contact)
    let command = Contact.Command.create(
      row.details, source: row.source ?? options.source, tags: row.tags,
      consents: try consents(of: row.details, given: Contact.initialState))
    _ = try carryOut([command], on: id, Contact.initialState, row)
    memory.created.insert(id)
    if row.details.phone == nil && row.details.email == nil {
      memory.byName?[row.details.nameKey, default: []].append(id)
    }
  }

  /// What the row knows and the contact lacks. Nothing that the contact has is replaced.
  private func additions(
    of row: ImportRow, to contact: Contact.State, _ id: Identifier
  ) throws(Refusal) -> [Contact.Command] {
    var details = contact.details
    var changes: [FieldChange] = []
    for (field, value) in row.details.fields where contact.details[field] == nil {
      // The number as it was written belongs to the number.
      if field == "raw_phone" && contact.details.phone != nil { continue }
      details[field] = value
      changes.append(FieldChange(field: field, value: value))
    }
    // Whoever is put in again is there again.
    var commands: [Contact.Command] = contact.isArchived ? [.restore] : []
    if !changes.isEmpty { commands.append(.update(changes)) }
    if !row.tags.isEmpty { commands.append(.addTags(row.tags)) }
    if memory.created.contains(id) {
      commands += try consents(of: details, given: contact).map { .optIn($0) }
    }
    return commands
  }

  /// The consent given for the list, where the contact can have it and nobody at its address has
  /// said no.
  private func consents(
    of details: ContactDetails, given contact: Contact.State
  ) throws(Refusal) -> [Consent] {
    guard let request = options.consent, contact.consents[request.channel] == nil,
      let address = request.channel == .email ? details.email : details.phone
    else { return [] }
    let isRevoked = workspace.state.isRevoked(address, of: request.channel, for: request.purpose)
    let isEnded = request.purpose == .marketing && contact.refusesMarketing(on: request.channel)
    let isClosed = workspace.state.isClosedByNo(address, of: request.channel)
    guard !isRevoked, !isEnded, !isClosed else { return [] }
    do throws(CommandError) {
      return [try workspace.consent(request, of: details)]
    } catch {
      throw .command(error)
    }
  }

  /// Carries the commands out if all of them are allowed, else none. False where nothing follows.
  private mutating func carryOut(
    _ commands: [Contact.Command], on id: Identifier, _ contact: Contact.State, _ row: ImportRow
  ) throws(Refusal) -> Bool {
    var after = contact
    var types: [String] = []
    for command in commands {
      do throws(Contact.Rejection) {
        for event in try Contact.decide(command, given: after) {
          after = Contact.evolve(after, with: event)
          guard options.isDryRun else { continue }
          types.append(EventCodec.encode(.contact(event), stream: id, org: workspace.org).type)
        }
      } catch {
        throw .row(self.error(row, error))
      }
    }
    guard after != contact else { return false }
    if options.isDryRun {
      memory.rehearsed[id] = after
      for type in types { memory.rehearsedEvents[type, default: 0] += 1 }
    } else {
      try write(commands, on: id, isNew: !contact.exists)
    }
    if let phone = after.details.phone { memory.byPhone[phone] = id }
    if let email = after.details.email { memory.byEmail[email.lowercased()] = id }
    return true
  }

  private mutating func write(
    _ commands: [Contact.Command], on id: Identifier, isNew: Bool
  ) throws(Refusal) {
    do throws(CommandError) {
      for command in commands { try workspace.run(Contact.self, id, command, isNew: isNew) }
    } catch {
      throw .command(error)
    }
  }
}

// MARK: - Errors

extension ImportDesk {
  private func error(
    _ row: ImportRow, _ field: String, _ code: String, _ message: String
  ) -> ImportReport.RowError {
    ImportReport.RowError(
      line: row.line, column: columns.column(of: field), code: code, message: message)
  }

  private func error(_ row: ImportRow, _ rejection: Contact.Rejection) -> ImportReport.RowError {
    switch rejection {
    case .invalidField(let field, let reason):
      error(row, field, "invalid_value", "The value is refused: \(reason).")
    case .tooManyFields(let limit):
      error(row, "", "too_many_fields", "The contact would have more than \(limit) own fields.")
    case .tooManyTags(let limit):
      error(row, "tags", "too_many_tags", "The contact would have more than \(limit) tags.")
    case .nothingToIdentify:
      error(row, "", "nothing_to_identify", "The row has no name, company, phone or email.")
    case .unknownField(let field):
      error(row, field, "unknown_field", "\(field) is no field of a contact.")
    case .alreadyExists, .notFound, .erased, .erasureOutOfOrder:
      error(row, "", "contact_gone", "The contact was erased meanwhile.")
    }
  }
}

extension ContactDetails {
  /// Equal for names that differ in case only.
  fileprivate var nameKey: String {
    [firstName, lastName, company].map { ($0 ?? "").lowercased() }.joined(separator: "\u{1f}")
  }
}
