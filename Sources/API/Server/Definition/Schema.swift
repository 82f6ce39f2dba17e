import Application
import Domain
import JSON

/// The shape of a JSON value: checks what comes in, and describes it in `/openapi.json`.
///
/// A class: every value of every request is checked against one, and it has many parts.
package final class Schema: Sendable {
  package enum Shape: Sendable {
    case anything
    case boolean
    case integer(ClosedRange<Int64>)
    /// nil: any.
    case number(ClosedRange<Double>?)
    case text(TextRule)
    case array(Schema, count: ClosedRange<Int>)
    case object([Property], Others)
    /// Fits where one of them fits.
    case either([Schema])
  }

  /// What an object may hold beside its properties.
  package enum Others: Sendable {
    case refused
    case ignored
    case each(Schema)
  }

  package enum TextRule: Sendable {
    /// By its number of characters (Unicode scalars).
    case length(ClosedRange<Int>)
    case choice([String])
    case id(Identifier.Kind)
    /// RFC 3339; a date alone is its midnight in UTC.
    case time
    /// Any text, with a format that only describes: `email`, `uri`.
    case format(String, length: ClosedRange<Int>)
  }

  package struct Property: Sendable {
    package let name: String
    package let schema: Schema
    package let isRequired: Bool

    package static func required(
      _ name: String, _ schema: Schema, _ description: String = ""
    ) -> Property {
      Property(name: name, schema: schema.described(description), isRequired: true)
    }

    package static func optional(
      _ name: String, _ schema: Schema, _ description: String = ""
    ) -> Property {
      Property(name: name, schema: schema.described(description), isRequired: false)
    }
  }

  package let shape: Shape
  package let isNullable: Bool
  /// Under which it stands among the document's components.
  package let name: String?
  package let description: String
  /// What commands refuse although the shape is right.
  let rules: [SchemaRule]
  /// What the document says beyond the shape.
  let statements: [Statement]

  private init(
    _ shape: Shape, isNullable: Bool = false, name: String? = nil, description: String = "",
    rules: [SchemaRule] = [], statements: [Statement] = []
  ) {
    self.shape = shape
    self.isNullable = isNullable
    self.name = name
    self.description = description
    self.rules = rules
    self.statements = statements
  }

  private func described(_ text: String) -> Schema {
    guard !text.isEmpty else { return self }
    return Schema(
      shape, isNullable: isNullable, name: name, description: text, rules: rules,
      statements: statements)
  }

  /// The same, or `null`.
  package var nullable: Schema {
    Schema(
      shape, isNullable: true, name: name, description: description, rules: rules,
      statements: statements)
  }

  /// The same, where `rule` has nothing against it: a refused request is asked by it.
  func ruled(by rule: SchemaRule) -> Schema {
    Schema(
      shape, isNullable: isNullable, name: name, description: description, rules: rules + [rule],
      statements: statements)
  }

  /// The same, of which the document also says `statement`.
  func stating(_ statement: @autoclosure @escaping Statement) -> Schema {
    Schema(
      shape, isNullable: isNullable, name: name, description: description, rules: rules,
      statements: statements + [statement])
  }

  /// The same as a component of the document: what its statements may refer to.
  func named(_ name: String) -> Schema {
    Schema(
      shape, isNullable: isNullable, name: name, description: description, rules: rules,
      statements: statements)
  }

  /// Without what is said of it where it is referred to.
  var bare: Schema { Schema(shape, name: name, rules: rules, statements: statements) }
}

// MARK: - Making them

extension Schema {
  package static let anything = Schema(.anything)
  package static let bool = Schema(.boolean)
  package static let number = Schema(.number(nil))

  package static func number(_ range: ClosedRange<Double>) -> Schema { Schema(.number(range)) }
  package static let time = Schema(.text(.time))

  package static func int(_ range: ClosedRange<Int64> = Int64.min...Int64.max) -> Schema {
    Schema(.integer(range))
  }

  package static let count = int(0...Int64.max)

  package static func string(_ length: ClosedRange<Int> = 0...2_000) -> Schema {
    Schema(.text(.length(length)))
  }

  package static func format(
    _ format: String, _ length: ClosedRange<Int> = 1...2_000
  ) -> Schema {
    Schema(.text(.format(format, length: length)))
  }

  /// A text with a regular expression (ECMA 262) that only describes: what the operation refuses beside it.
  static func pattern(_ regex: String, _ length: ClosedRange<Int>) -> Schema {
    string(length).stating(["pattern": .string(regex)])
  }

  package static func id(_ kind: Identifier.Kind) -> Schema { Schema(.text(.id(kind))) }

  package static func choice(_ values: [String]) -> Schema { Schema(.text(.choice(values))) }

  package static func choice<Value: RawRepresentable & CaseIterable>(_: Value.Type) -> Schema
  where Value.RawValue == String {
    choice(Value.allCases.map(\.rawValue))
  }

  /// A word that is always the same: the `object` of an object.
  package static func constant(_ value: String) -> Schema { choice([value]) }

  package static func array(
    _ item: Schema, _ count: ClosedRange<Int> = 0...10_000
  ) -> Schema {
    Schema(.array(item, count: count))
  }

  /// What comes in: a field that it does not name is an error.
  package static func input(_ name: String, _ properties: [Property]) -> Schema {
    Schema(.object(properties, .refused), name: name)
  }

  /// What goes out: clients ignore fields that they do not know.
  package static func object(_ name: String?, _ properties: [Property]) -> Schema {
    Schema(.object(properties, .ignored), name: name)
  }

  package static func input(_ properties: [Property]) -> Schema {
    Schema(.object(properties, .refused))
  }

  package static func object(_ properties: [Property]) -> Schema { object(nil, properties) }

  /// Any keys, every value of one shape.
  package static func map(_ value: Schema) -> Schema { Schema(.object([], .each(value))) }

  package static func either(_ schemas: [Schema]) -> Schema { Schema(.either(schemas)) }

  /// A page of a list.
  package static func list(of item: Schema) -> Schema {
    object(
      item.name.map { $0 + "Page" },
      [
        .required("object", .constant("list")), .required("data", .array(item)),
        .required("has_more", .bool, "Whether there is another page."),
        .optional("next", .string(0...7_000).nullable, "`after` of the next page."),
        .optional("previous", .string(0...7_000).nullable, "`before` of the page before."),
        .optional("as_of", .count, "The position of the log that all of its pages are pinned to."),
        .optional("total", .count, "With `count=exact`."),
      ])
  }

  /// What a write with `dry_run=true` answers.
  static let dryRun = Trial.schema("DryRun")

  package static let money = object(
    "Money",
    [
      .required("amount", .int(), "Whole millionths of a US dollar."),
      .required("unit", .constant("usd_micro")),
    ])

  /// What every stored object carries beside its own fields.
  package static func stored(
    _ name: String, _ object: String, _ kind: Identifier.Kind, _ properties: [Property]
  ) -> Schema {
    .object(
      name,
      [.required("id", .id(kind)), .required("object", .constant(object))] + properties + [
        .required("version", .count, "Grows with every change; `ETag` is `\"v<version>\"`."),
        .required("account", .id(.org)), .required("created_at", .time),
        .required("updated_at", .time),
        .optional(
          "events", .array(.id(.event)), "In the answer to a write: the events it wrote."),
      ])
  }
}
