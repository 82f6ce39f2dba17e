import Domain

/// What a campaign's words have to be.
package enum CampaignWords {
  /// Everything for which they are refused, `texts` by their fields; without a channel, on each of them.
  package static func faults(
    in texts: [(field: String, text: String)], on channel: Channel?, for purpose: Purpose
  ) -> [CommandError] {
    var faults: [CommandError] = []
    if let channel {
      if channel == .email { faults += subjectFaults(texts, purpose) }
      faults += lengthFaults(texts, channel)
    }
    for (field, text) in texts {
      do {
        _ = try MergeFields.fields(of: text)
      } catch {
        faults.append(.invalid(field: field, code: error.code, message: "\(error)"))
      }
    }
    return faults
  }

  private static func subjectFaults(
    _ texts: [(field: String, text: String)], _ purpose: Purpose
  ) -> [CommandError] {
    do throws(CommandError) {
      let subject = try EmailComposing.subject(texts.first { $0.field == "subject" }?.text)
      if purpose == .marketing { try EmailComposing.requireHonest(subject) }
      return []
    } catch {
      return [error]
    }
  }

  /// Each channel has its own words, as many as its providers take.
  private static func lengthFaults(
    _ texts: [(field: String, text: String)], _ channel: Channel
  ) -> [CommandError] {
    let foreign =
      switch channel {
      case .sms: ["subject", "html", "voicemail"]
      case .email: ["voicemail"]
      case .voice: ["subject", "html"]
      }
    let limit =
      switch channel {
      case .sms: 1_600
      case .voice: 4_000
      case .email: 500_000
      }
    return texts.compactMap { field, text in
      if foreign.contains(field) {
        return .invalid(
          field: field, code: "unsupported_field", message: "This channel has no \(field).")
      }
      guard text.count > limit else { return nil }
      return .invalid(
        field: field, code: "too_long", message: "\(field) has at most \(limit) characters here.")
    }
  }
}
