// Filters and time. A filter's answer for given facts is a step function of time: `spans` gives it, so
// that a membership that time alone will end is known, to the microsecond, by the event before it.

extension Filter {
  /// A stretch of time in which a filter holds for the facts as they are.
  package struct Span: Sendable, Equatable {
    package let fromMicros: Micros
    /// The first moment at which it holds no more; nil: until something happens.
    package let untilMicros: Micros?

    package init(fromMicros: Micros, untilMicros: Micros?) {
      self.fromMicros = fromMicros
      self.untilMicros = untilMicros
    }
  }

  /// Whether the answer can change without an event.
  package var dependsOnTime: Bool {
    leaves.contains { leaf in
      switch leaf {
      case .condition(let condition): condition.comparison.isRelative
      case .happened(let happened): happened.window != nil
      }
    }
  }

  /// Whether it looks at what happened, beside the contact itself.
  package var dependsOnEvents: Bool {
    leaves.contains { if case .happened = $0 { true } else { false } }
  }

  /// When the filter holds from `nowMicros` on, should nothing happen any more: in order, with gaps
  /// between. The first begins at `nowMicros` where the filter holds then.
  package func spans(of facts: ContactFacts, fromMicros nowMicros: Micros) -> [Span] {
    guard facts.state.isListed else { return [] }
    var spans: [Span] = []
    var start: Micros?
    for moment in [nowMicros] + turns(for: facts, after: nowMicros) {
      let holds = matches(facts, atMicros: moment)
      if let from = start, !holds {
        spans.append(Span(fromMicros: from, untilMicros: moment))
        start = nil
      } else if start == nil, holds {
        start = moment
      }
    }
    if let start { spans.append(Span(fromMicros: start, untilMicros: nil)) }
    return spans
  }

  /// The moments after `nowMicros` at which a leaf may change its answer, in order, each once.
  private func turns(for facts: ContactFacts, after nowMicros: Micros) -> [Micros] {
    guard dependsOnTime else { return [] }
    let moments = leaves.flatMap { leaf in
      switch leaf {
      case .condition(let condition): condition.turns(for: facts)
      case .happened(let happened): happened.turns(for: facts.activity)
      }
    }
    return Set(moments.filter { $0 > nowMicros }).sorted()
  }
}

// MARK: - Conditions on times

extension Filter.Condition.Operator {
  /// The answer moves with the clock.
  package var isRelative: Bool {
    switch self {
    case .inLast, .inNext, .olderThan: true
    case .equals, .notEquals, .contains, .startsWith, .greater, .greaterOrEqual, .less,
      .lessOrEqual, .exists:
      false
    }
  }

  package var isOfNumbers: Bool {
    switch self {
    case .equals, .notEquals, .greater, .greaterOrEqual, .less, .lessOrEqual: true
    case .contains, .startsWith, .exists, .inLast, .inNext, .olderThan: false
    }
  }

  fileprivate func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
    switch self {
    case .equals: left == right
    case .notEquals: left != right
    case .greater: left > right
    case .greaterOrEqual: left >= right
    case .less: left < right
    case .lessOrEqual: left <= right
    case .contains, .startsWith, .exists, .inLast, .inNext, .olderThan: false
    }
  }
}

extension Filter.Condition {
  /// The value as a length of time; nil where it is none.
  var durationMicros: Int64? { value.text.flatMap(Filter.Duration.init)?.micros }

  /// The value as a moment; nil where it is none.
  var timeMicros: Micros? { value.text.flatMap(Timestamp.micros) }

  /// `isRelative`, or a comparison of `created_at`.
  func timeHolds(for facts: ContactFacts, atMicros nowMicros: Micros) -> Bool {
    guard let time = time(of: facts) else { return false }
    return timeHolds(for: time, atMicros: nowMicros) ?? false
  }

  /// nil where the condition's own value is neither a time nor a length of one.
  func timeHolds(for time: Micros, atMicros nowMicros: Micros) -> Bool? {
    guard comparison.isRelative else {
      return comparison.isOfNumbers ? timeMicros.map { comparison.holds(time, $0) } : nil
    }
    guard let durationMicros else { return nil }
    switch comparison {
    case .inLast: return time <= nowMicros && nowMicros < time + durationMicros
    case .inNext: return time - durationMicros <= nowMicros && nowMicros < time
    case .olderThan: return time + durationMicros <= nowMicros
    case .equals, .notEquals, .contains, .startsWith, .greater, .greaterOrEqual, .less,
      .lessOrEqual, .exists:
      preconditionFailure("only relative comparisons are left")
    }
  }

  fileprivate func turns(for facts: ContactFacts) -> [Micros] {
    guard comparison.isRelative, let durationMicros, let time = time(of: facts) else { return [] }
    return [time - durationMicros, time, time + durationMicros]
  }

  /// The field as a time. Beyond the years that anybody means it is none, so no sum can overflow.
  private func time(of facts: ContactFacts) -> Micros? {
    if field == Filter.createdAtField { return facts.createdAtMicros }
    guard field.hasPrefix("custom."),
      case .text(let text) = facts.state.details.custom[String(field.dropFirst("custom.".count))]
    else { return nil }
    return Timestamp.micros(text)
  }
}

// MARK: - Conditions on what happened

extension Filter.Happened {
  func holds(for activity: Activity, atMicros nowMicros: Micros) -> Bool {
    let happened = activity.moments.count { moment in
      moment.kind == kind && moment.atMicros <= nowMicros
        && (window.map { nowMicros < moment.atMicros + $0.micros } ?? true)
    }
    return comparison.holds(happened, count)
  }

  fileprivate func turns(for activity: Activity) -> [Micros] {
    activity.moments.filter { $0.kind == kind }.flatMap { moment in
      [moment.atMicros] + (window.map { [moment.atMicros + $0.micros] } ?? [])
    }
  }
}
