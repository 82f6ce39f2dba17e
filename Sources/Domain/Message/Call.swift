/// What is particular about a call.
package struct VoicePlan: Sendable, Equatable, Codable {
  /// The longest a call may last; the wallet holds the price of this many.
  package var maxMinutes: Int
  /// Recorded after the announcement that it is.
  package var isRecorded: Bool
  /// Leaves something on an answering machine, and hangs up on people only after the same text.
  package var isVoicemailDrop: Bool

  package init(maxMinutes: Int, isRecorded: Bool, isVoicemailDrop: Bool) {
    self.maxMinutes = maxMinutes
    self.isRecorded = isRecorded
    self.isVoicemailDrop = isVoicemailDrop
  }

  package static let minutesLimit = 60
  /// Where nobody said how long.
  package static let standardMinutes = 5
}

/// How a call ended.
package struct CallResult: Sendable, Equatable, Codable {
  package enum Outcome: String, Sendable, CaseIterable, Codable {
    case answered
    /// A machine took it.
    case voicemail
    case noAnswer = "no_answer"
    case busy
    case failed
    case cancelled
  }

  package var outcome: Outcome
  /// 0 to `longestSeconds`.
  package var durationSeconds: Int

  /// A day: providers end calls long before, whatever a callback says.
  package static let longestSeconds = 86_400

  package init(outcome: Outcome, durationSeconds: Int) {
    self.outcome = outcome
    self.durationSeconds = min(max(0, durationSeconds), Self.longestSeconds)
  }

  package var wasAnswered: Bool {
    switch outcome {
    case .answered, .voicemail: true
    case .noAnswer, .busy, .failed, .cancelled: false
    }
  }

  /// Every minute that was begun.
  package var billedMinutes: Int { wasAnswered ? max(1, (durationSeconds + 59) / 60) : 0 }
}

/// What somebody did with an email.
package enum Engagement: Sendable, Equatable {
  case opened(isMachine: Bool)
  case clicked(link: Int, isMachine: Bool)
  case complained
}

/// The template that a message was made from.
package struct TemplateUse: Sendable, Equatable, Codable {
  package var id: Identifier
  package var version: Int

  package init(id: Identifier, version: Int) {
    self.id = id
    self.version = version
  }
}
