// What reads answer that were asked for `fields` or `expand`. No document can say by which parameters an answer comes
// about: it says that one is the whole object, or this.

extension Operation {
  /// Whether it takes `fields` and `expand`: as parameters, or in the body of a search.
  var isShaped: Bool { search != nil || parameters.contains { $0.name == "fields" } }
}

extension RequestBody.Content {
  /// The same, or a part or more of it.
  var orPartial: RequestBody.Content {
    guard mediaType == "application/json" else { return self }
    return RequestBody.Content(
      mediaType: mediaType, schema: .either([schema, schema.partial]))
  }
}

extension Schema {
  /// An object without any field that has to be there, and with an object wherever there may be an id: as `Shape` makes
  /// them. Of a list its items.
  fileprivate var partial: Schema {
    guard case .object(let properties, _) = shape else { return self }
    let isList = properties.contains { $0.name == "has_more" }
    return .object(
      name.map { "Partial" + $0 },
      properties.map { property in
        guard isList else { return .optional(property.name, property.schema.expandable) }
        guard case .array(let item, let count) = property.schema.shape else { return property }
        return .required(property.name, .array(item.partial, count))
      })
  }

  /// What may stand there where it was an id, or has one inside.
  private var expandable: Schema {
    switch shape {
    case .text(.length), .text(.id), .text(.format), .object, .either, .anything:
      .either([self, .object([])])
    case .text(.choice), .text(.time), .boolean, .integer, .number, .array: self
    }
  }
}
