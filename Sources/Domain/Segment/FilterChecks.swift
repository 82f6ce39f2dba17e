// Which filters make sense.

extension Filter {
  /// Where a filter makes no sense, and why. The path leads to the node: `.all[1].not.op`.
  package struct Problem: Equatable, Sendable {
    package let path: String
    package let message: String

    package init(path: String, message: String) {
      self.path = path
      self.message = message
    }
  }

  /// The first condition with an unknown field, or with an operator or value that the field cannot have.
  package func firstProblem() -> Problem? { firstProblem(at: "") }

  private func firstProblem(at path: String) -> Problem? {
    switch self {
    case .all(let filters): Self.firstProblem(among: filters, at: path + ".all")
    case .any(let filters): Self.firstProblem(among: filters, at: path + ".any")
    case .not(let filter): filter.firstProblem(at: path + ".not")
    case .condition(let condition): condition.problem(at: path)
    case .happened(let happened): happened.problem(at: path)
    }
  }

  private static func firstProblem(among filters: [Filter], at path: String) -> Problem? {
    for (index, filter) in filters.enumerated() {
      if let problem = filter.firstProblem(at: "\(path)[\(index)]") { return problem }
    }
    return nil
  }
}

extension Filter.Condition {
  fileprivate func problem(at path: String) -> Filter.Problem? {
    guard let operators else {
      return Filter.Problem(path: path + ".field", message: "is not a field of contacts")
    }
    guard operators.contains(comparison) else {
      let names = operators.map(\.rawValue).joined(separator: ", ")
      return Filter.Problem(path: path + ".op", message: "must be one of \(names) for this field")
    }
    return valueProblem.map { Filter.Problem(path: path + ".value", message: $0) }
  }

  /// What can be asked of the field; nil where there is no such field.
  private var operators: [Operator]? {
    if field == "tags" { return [.contains, .exists] }
    if Filter.consentFields.contains(field) { return [.equals, .notEquals] }
    if field == Filter.createdAtField {
      return [.greater, .greaterOrEqual, .less, .lessOrEqual, .inLast, .olderThan]
    }
    let values = Operator.allCases.filter { !$0.isRelative }
    if Filter.standardFields.contains(field) { return values }
    return field.hasPrefix("custom.") && field != "custom." ? Operator.allCases : nil
  }

  private var valueProblem: String? {
    if comparison == .exists {
      if case .flag = value { return nil }
      return "must be true or false with exists"
    }
    if comparison.isRelative {
      return durationMicros == nil ? Filter.durationAdvice : nil
    }
    if field == Filter.createdAtField, timeMicros == nil {
      return "must be a time such as 2026-11-21T08:00:00Z"
    }
    if Filter.consentFields.contains(field),
      !["opted_in", "opted_out", "none"].map(FieldValue.text).contains(value)
    {
      return "must be opted_in, opted_out or none"
    }
    if case .number(let number) = value, !number.isFinite { return "must be a finite number" }
    return nil
  }
}

extension Filter {
  package static let durationAdvice =
    "must be a duration such as 30d, 12h or 45m, at most \(Duration.limitDays) days"
}

extension Filter.Happened {
  fileprivate func problem(at path: String) -> Filter.Problem? {
    guard comparison.isOfNumbers else {
      return Filter.Problem(path: path + ".op", message: "must be one of eq, ne, gt, gte, lt, lte")
    }
    guard (0...Activity.countLimit).contains(count) else {
      return Filter.Problem(
        path: path + ".count", message: "must be a whole number from 0 to \(Activity.countLimit)")
    }
    return nil
  }
}
