import Domain
import HTTP
import JSON

/// `/openapi.json`: the operations as an OpenAPI 3.1 document.
enum OpenAPI {
  static func document(_ operations: [Operation], serverURL: String) -> JSON {
    var components: [String: JSON] = [:]
    var paths = JSONObject()
    for operation in operations {
      var item = paths[operation.path]?.object ?? JSONObject()
      item[operation.method.lowercased()] = self.operation(operation, &components)
      paths[operation.path] = .object(item)
    }
    _ = ErrorSchema.error.document(&components)
    let schemas = components.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Daybook", "version": .string(APIVersion.current.text),
        "description":
          "An event-sourced CRM. Conventions and error codes are explained at /docs.",
      ],
      "servers": [["url": .string(serverURL)]],
      "tags": .array(tags(operations)),
      "paths": .object(paths),
      "components": [
        "schemas": .object(JSONObject(schemas)),
        "securitySchemes": securitySchemes,
      ],
    ]
  }

  private static let securitySchemes: JSON = [
    "api_key": [
      "type": "http", "scheme": "bearer",
      "description": "An API key: `Authorization: Bearer sk_…`.",
    ],
    "session": [
      "type": "apiKey", "in": "cookie", "name": "daybook_session",
      "description": "A signed-in user; writes also send `X-CSRF-Token`.",
    ],
    "operator": [
      "type": "http", "scheme": "bearer",
      "description": "The token of this installation's operator.",
    ],
  ]

  private static func tags(_ operations: [Operation]) -> [JSON] {
    var seen: [String] = []
    for operation in operations where !seen.contains(operation.resource) {
      seen.append(operation.resource)
    }
    return seen.map { ["name": .string($0)] }
  }

  private static func operation(
    _ operation: Operation, _ components: inout [String: JSON]
  ) -> JSON {
    var object = JSONObject([
      ("operationId", .string(operation.name)), ("summary", .string(operation.summary)),
      ("tags", [.string(operation.resource)]),
    ])
    let details = [operation.details, whoMayAsk(operation)].filter { !$0.isEmpty }
    object["description"] = .string(details.joined(separator: "\n\n"))
    let parameters =
      operation.placeholders.map { placeholder($0, operation) }
      + operation.parameters.map { parameter($0, &components) }
    if !parameters.isEmpty { object["parameters"] = .array(parameters) }
    if let body = operation.body { object["requestBody"] = self.body(body, &components) }
    object["responses"] = responses(operation, &components)
    object["security"] = security(operation.access)
    return .object(object)
  }

  private static func whoMayAsk(_ operation: Operation) -> String {
    switch operation.access {
    case .open: "Anybody may ask."
    case .signed: "Without a key: a signature, or a secret in the address, says who asks."
    case .scope(let scope):
      operation.alsoNeeds.isEmpty
        ? "Needs the scope `\(scope)`."
        : "Needs the scopes \(([scope] + operation.alsoNeeds).map { "`\($0)`" }.joined(separator: " and "))."
    case .oneself:
      "Whoever is signed in may ask about themselves, whatever their role; no API key may."
    case .operation: "Needs the operator's token."
    }
  }

  private static func security(_ access: Access) -> JSON {
    switch access {
    case .open, .signed: []
    case .scope: [["api_key": []], ["session": []]]
    case .oneself: [["session": []]]
    case .operation: [["operator": []]]
    }
  }

  private static func placeholder(_ name: String, _ operation: Operation) -> JSON {
    // What is no object's id is not found; a control character is no well-formed request.
    [
      "name": .string(name), "in": "path", "required": true,
      "schema": ["type": "string", "pattern": #"^[^\u0000-\u001f\u007f]+$"#],
    ]
  }

  private static func parameter(
    _ parameter: Parameter, _ components: inout [String: JSON]
  ) -> JSON {
    var object = JSONObject([
      ("name", .string(parameter.name)), ("in", .string(parameter.place.rawValue)),
      ("required", .bool(parameter.isRequired)),
    ])
    if !parameter.description.isEmpty { object["description"] = .string(parameter.description) }
    let schema = parameter.schema.document(&components)
    switch parameter.style {
    case .plain: object["schema"] = schema
    case .commas, .order:
      object["schema"] = schema
      object["style"] = "form"
      object["explode"] = false
    case .json: object["content"] = ["application/json": ["schema": schema]]
    }
    return .object(object)
  }

  private static func body(_ body: RequestBody, _ components: inout [String: JSON]) -> JSON {
    var content = content(body.contents, &components)
    var examples = body.textExamples.mapValues(JSON.string)
    examples["application/json"] = body.example
    for (mediaType, example) in examples {
      guard var described = content[mediaType]?.object else {
        preconditionFailure("an example of a media type that is not taken: \(mediaType)")
      }
      described["example"] = example
      content[mediaType] = .object(described)
    }
    return ["required": .bool(body.isRequired), "content": .object(content)]
  }

  private static func content(
    _ contents: [RequestBody.Content], _ components: inout [String: JSON]
  ) -> JSONObject {
    JSONObject(
      contents.map { (key: $0.mediaType, value: ["schema": $0.schema.document(&components)]) })
  }

  /// With what an answer looks like beside each shape; a list as lines is one line for each of its objects.
  private static func examples(
    of answer: AnswerDefinition, in content: JSONObject
  ) -> JSONObject {
    var content = content
    for known in answer.contents {
      guard var described = content[known.mediaType]?.object else { continue }
      switch known.mediaType {
      case "application/json": described["example"] = known.schema.example
      case ListStream.mediaType:
        described["example"] = answer.itemSchema.map { .string($0.example.text + "\n") }
      default: continue
      }
      content[known.mediaType] = .object(described)
    }
    return content
  }

  private static func responses(
    _ operation: Operation, _ components: inout [String: JSON]
  ) -> JSON {
    let responses = operation.statuses.sorted { $0.key < $1.key }.map { status, codes in
      var object = JSONObject()
      if let answer = operation.answers.first(where: { $0.status == status }) {
        object["description"] = .string(answer.description)
        let isShaped = status == 200 && operation.isShaped
        let contents = isShaped ? answer.contents.map(\.orPartial) : answer.contents
        let content = examples(of: answer, in: content(contents, &components))
        if !content.isEmpty { object["content"] = .object(content) }
      } else {
        object["description"] = .string(
          ErrorCatalogue.summary(status) + " "
            + codes.map { "`\($0)`" }.joined(separator: ", "))
        object["content"] = [
          "application/json": ["schema": ErrorSchema.error.document(&components)]
        ]
        object["x-error-codes"] = .array(codes.map(JSON.string))
      }
      return (key: String(status), value: JSON.object(object))
    }
    return .object(JSONObject(responses))
  }
}

/// The one error object.
enum ErrorSchema {
  static let error = Schema.object(
    "Error",
    [
      .required(
        "error",
        .object([
          .required("type", .string()), .required("code", .string(), "Explained at `doc_url`."),
          .required("message", .string(0...10_000), "What is wrong, for people."),
          .required("param", .string().nullable, "The first field at fault."),
          .required(
            "details",
            .array(
              .object([
                .required("param", .string()), .required("code", .string()),
                .required("message", .string(0...10_000)),
              ])), "Every field at fault."),
          .required("doc_url", .string()), .required("request_id", .id(.request)),
          .required("retryable", .bool, "Whether the same request can succeed later."),
          .required("retry_after_ms", .count.nullable),
        ]))
    ])
}

/// A dated version of the API. Adding fields, operations and codes is no new version.
package struct APIVersion: Sendable, Equatable {
  package let text: String
  package static let current = APIVersion(text: "2026-11-01")

  /// Refuses a request for a version that there is not.
  static func check(_ request: HTTPRequest) throws(APIError) {
    guard let text = request.headers["api-version"], text != current.text else { return }
    throw .invalid(
      "Api-Version", "invalid_api_version", "This server speaks version \(current.text).")
  }
}
