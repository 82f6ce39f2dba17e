import HTTP

/// Finds the operation of a request: a tree of path pieces, a literal before a placeholder.
struct Router: Sendable {
  private final class Node: Sendable {
    let literals: [Substring: Node]
    let placeholder: Node?
    let operations: [String: Operation]

    init(_ entries: [(pieces: ArraySlice<Substring>, operation: Operation)]) {
      var here: [String: Operation] = [:]
      var below: [Substring: [(pieces: ArraySlice<Substring>, operation: Operation)]] = [:]
      for entry in entries {
        guard let first = entry.pieces.first else {
          precondition(
            here[entry.operation.method] == nil,
            "two operations have the same method and path: \(entry.operation.path)")
          here[entry.operation.method] = entry.operation
          continue
        }
        let key = first.hasPrefix("{") ? "{" : first
        below[key, default: []].append((entry.pieces.dropFirst(), entry.operation))
      }
      operations = here
      placeholder = below.removeValue(forKey: "{").map(Node.init)
      literals = below.mapValues(Node.init)
    }
  }

  enum Match {
    case found(Operation, parameters: [String: String])
    /// The path exists with other methods.
    case methodNotAllowed([String])
    case notFound
  }

  private let root: Node
  /// Those without a placeholder, by path and method: found without taking the path apart.
  private let plain: [String: [String: Operation]]

  init(_ operations: [Operation]) {
    root = Node(operations.map { ($0.path.split(separator: "/")[...], $0) })
    plain = Dictionary(grouping: operations.filter { $0.placeholders.isEmpty }, by: \.path)
      .mapValues { Dictionary(uniqueKeysWithValues: $0.map { ($0.method, $0) }) }
  }

  func match(_ request: HTTPRequest) -> Match {
    if let operation = plain[request.rawPath]?[request.method] {
      return .found(operation, parameters: [:])
    }
    // Another path, which the document does not have: a key or a signature would be of that one.
    let segments = request.pathSegments
    guard segments.first != "api" || request.pathIsPlain else { return .notFound }
    return match(request.method, segments)
  }

  func match(_ method: String, _ segments: [String]) -> Match {
    var values: [String] = []
    var allowed: Set<String> = []
    let wanted = method == "HEAD" ? "GET" : method
    guard
      let operation = Self.find(wanted, segments[...], at: root, &values, &allowed)
    else {
      if allowed.contains("GET") { allowed.insert("HEAD") }
      return allowed.isEmpty ? .notFound : .methodNotAllowed(allowed.sorted())
    }
    guard !values.isEmpty else { return .found(operation, parameters: [:]) }
    let parameters = zip(operation.placeholders, values).map { ($0, $1) }
    return .found(operation, parameters: Dictionary(parameters) { first, _ in first })
  }

  private static func find(
    _ method: String, _ segments: ArraySlice<String>, at node: Node, _ values: inout [String],
    _ allowed: inout Set<String>
  ) -> Operation? {
    guard let first = segments.first else {
      // The most literal path that exists says what may be done there.
      if allowed.isEmpty { allowed.formUnion(node.operations.keys) }
      return node.operations[method]
    }
    if let next = node.literals[first[...]],
      let found = find(method, segments.dropFirst(), at: next, &values, &allowed)
    {
      return found
    }
    guard let next = node.placeholder else { return nil }
    values.append(first)
    if let found = find(method, segments.dropFirst(), at: next, &values, &allowed) { return found }
    values.removeLast()
    return nil
  }
}
