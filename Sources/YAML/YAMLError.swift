/// A place in a text: lines and columns (of characters) from 1.
package struct YAMLPosition: Equatable, Sendable, CustomStringConvertible {
  package let line: Int
  package let column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  package var description: String { "line \(line), column \(column)" }
}

/// Why a text was refused, and where.
package struct YAMLError: Error, Equatable, CustomStringConvertible {
  package enum Kind: Equatable, Sendable {
    /// What libyaml says about it.
    case syntax(String)
    case duplicateKey(String)
    /// Something that YAML has and this subset has not; the text says what.
    case unsupported(String)
    case tooLarge(limitBytes: Int)
    case tooDeep(limit: Int)
    case tooManyNodes(limit: Int)
  }

  package let kind: Kind
  package let position: YAMLPosition

  package init(kind: Kind, position: YAMLPosition) {
    self.kind = kind
    self.position = position
  }

  package var code: String {
    switch kind {
    case .syntax: "yaml_syntax"
    case .duplicateKey: "yaml_duplicate_key"
    case .unsupported: "yaml_unsupported"
    case .tooLarge: "yaml_too_large"
    case .tooDeep: "yaml_too_deep"
    case .tooManyNodes: "yaml_too_many_nodes"
    }
  }

  /// The same text is refused again.
  package var isRetryable: Bool { false }

  /// What is wrong, without the place.
  package var message: String {
    switch kind {
    case .syntax(let reason): reason
    case .duplicateKey(let key): "the key \"\(key)\" appears twice"
    case .unsupported(let what): "\(what) not supported"
    case .tooLarge(let limit): "the text is longer than \(limit) bytes"
    case .tooDeep(let limit): "values are nested deeper than \(limit) levels"
    case .tooManyNodes(let limit): "there are more than \(limit) values"
    }
  }

  package var description: String { "\(message) at \(position)" }
}
