import Application
import Domain
import EventCodec

/// Segments as they come in and go out.
enum SegmentSchemas {
  /// The grammar itself is checked by the parser of filters, which names the place of a fault.
  static let filter = FilterSchema.people

  static let create = Schema.input(
    "SegmentInput", [.required("name", name), .required("filter", filter.ruled(by: people))])

  static let update = Schema.input(
    "SegmentChange", [.optional("name", name), .optional("filter", filter.ruled(by: people))])

  private static let name = Schema.string(1...200).ruled(by: .notBlank(.segment(.emptyName)))

  /// What can be read and yet finds nobody, such as a number that is compared with a text.
  private static let people = SchemaRule(codes: ["invalid_filter"]) { value, _ in
    guard let problem = (try? FilterGrammar.parse(value))?.firstProblem() else { return [] }
    return APIError(.segment(.invalidFilter(problem))).details.map { detail in
      APIError.Detail(param: "", code: detail.code, message: detail.message)
    }
  }

  static let segment = Schema.stored(
    "Segment", "segment", .segment,
    [
      .required("name", .string()), .required("filter", .map(.anything)),
      .required(
        "size", .count.nullable,
        "How many are in it; null in the answer to a write, and while it is recomputed."),
      .required(
        "recomputing", .bool.nullable,
        "A new definition is looking at all contacts: who is in is not known for some minutes at most. "
          + "Null in the answer to a write."),
      .required("deleted", .bool),
    ])

  static let member = Schema.object(
    "SegmentMember",
    [
      .required("object", .constant("segment_member")), .required("contact", .id(.contact)),
      .required("entered_at", .time),
      .required("cause", .count, "Position of the event that decided it."),
      .required("leaves_at", .time.nullable, "When time alone will end it."),
    ])

  static let change = Schema.object(
    "SegmentChangeEntry",
    [
      .required("object", .constant("segment_change")), .required("contact", .id(.contact)),
      .required("change", .choice(["entered", "left"])), .required("at", .time),
      .required("cause", .count, "Position of the event that decided it."),
      .required("by_time", .bool, "The moment had come, without an event."),
    ])
}
