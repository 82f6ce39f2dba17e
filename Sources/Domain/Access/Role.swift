/// What a group of users may do, as an account defines it for itself. Stream: the role's id.
package enum Role: Decider {
  package enum Command: Sendable, Equatable {
    /// `scopes`: `contacts:read`, `contacts:write`, `contacts:*`, …
    case create(name: String, scopes: [String])
    case update(name: String?, scopes: [String]?)
    case delete
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, scopes: [String])
    case updated(name: String, scopes: [String])
    case deleted
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var isDeleted = false
    package var name = ""
    package var scopes: [String] = []

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
  }

  package static let initialState = State()

  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let name, let scopes):
      guard !state.exists else { throw .alreadyExists }
      guard !name.isBlank else { throw .emptyName }
      return [.created(name: name, scopes: scopes)]
    case .update(let name, let scopes):
      guard state.exists, !state.isDeleted else { throw .notFound }
      let name = name ?? state.name
      let scopes = scopes ?? state.scopes
      guard !name.isBlank else { throw .emptyName }
      guard name != state.name || scopes != state.scopes else { return [] }
      return [.updated(name: name, scopes: scopes)]
    case .delete:
      guard state.exists else { throw .notFound }
      return state.isDeleted ? [] : [.deleted]
    }
  }

  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let scopes):
      next.exists = true
      next.name = name
      next.scopes = scopes
    case .updated(let name, let scopes):
      next.name = name
      next.scopes = scopes
    case .deleted: next.isDeleted = true
    }
    return next
  }
}
