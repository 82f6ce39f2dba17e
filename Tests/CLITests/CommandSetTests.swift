import CLI
import Testing

private func outcome(
  _ line: String, environment: [String: String] = [:]
) -> Result<Request, UsageError> {
  let words = line.split(separator: " ").map(String.init)
  return Result { () throws(UsageError) in
    try commands.parse(words, environment: environment, workingDirectory: "/srv")
  }
}

private func invocation(_ line: String, environment: [String: String] = [:]) throws -> Invocation {
  guard case .run(_, let invocation) = try outcome(line, environment: environment).get() else {
    throw UsageError("asked for help")
  }
  return invocation
}

private func error(_ line: String, environment: [String: String] = [:]) -> String {
  switch outcome(line, environment: environment) {
  case .success: "no error"
  case .failure(let error): error.description
  }
}

private func help(_ line: String) throws -> String {
  guard case .help(let text) = try outcome(line).get() else { throw UsageError("no help") }
  return text
}

private let commands = CommandSet([
  Command("up", "start everything", options: [Option("--detach", "return once it runs")]) { _ in
    .success
  },
  Command(
    "rebuild", "fold the log into fresh tables", details: "Readers notice nothing.",
    arguments: [Argument("NAME", .many, "a read model")],
    options: [Option("--all", "every read model"), .json]
  ) { _ in .success },
  Command(
    "import contacts", "read contacts from a CSV file",
    arguments: [Argument("FILE", .one, "the file")],
    options: [
      Option("--map", value: "COLUMN=FIELD", isRepeatable: true, "what a column holds"),
      Option("--org", value: "ORG", isRequired: true, "whose contacts they are"),
      Option("--secret", isInternal: true, "for the program alone"),
    ]
  ) { _ in .success },
  Command("projection list", "show where the read models are") { _ in .success },
  Command("serve", "run the API", isInternal: true) { _ in .success },
])

@Suite struct CommandSetTests {
  @Test func `values are found wherever they stand`() throws {
    for line in [
      "import contacts people.csv --org org_1 --map a=b --map=c=d",
      "import contacts --org=org_1 --map a=b people.csv --map c=d",
      "--home /x import contacts --org org_1 --map a=b --map c=d -- people.csv",
    ] {
      let invocation = try invocation(line)
      #expect(invocation.argument("FILE") == "people.csv", "\(line)")
      #expect(invocation.required("--org") == "org_1", "\(line)")
      #expect(invocation.values("--map") == ["a=b", "c=d"], "\(line)")
    }
  }

  @Test func `an argument that is empty is missing`() {
    #expect(throws: UsageError.self) {
      try commands.parse(
        ["import", "contacts", "", "--org", "o"], environment: [:], workingDirectory: "/srv")
    }
  }

  @Test func `an argument that may repeat takes all that is left`() throws {
    let invocation = try invocation("rebuild contacts timeline --json")
    #expect(invocation.arguments("NAME") == ["contacts", "timeline"])
    #expect(invocation.has("--json"))
    #expect(!invocation.has("--all"))
  }

  @Test(
    arguments: [
      ("upp", "There is no command 'upp'. Did you mean 'up'?\nSee 'daybook --help'."),
      ("rebiuld", "There is no command 'rebiuld'. Did you mean 'rebuild'?\nSee 'daybook --help'."),
      ("xyzzy", "There is no command 'xyzzy'.\nSee 'daybook --help'."),
      ("projection", "'projection' needs one more word: 'projection list'.\nSee 'daybook --help'."),
      (
        "projection lsit",
        "There is no command 'projection lsit'. Did you mean 'projection list'?\n"
          + "See 'daybook --help'."
      ),
      (
        "projections list",
        "There is no command 'projections'. Did you mean 'projection list'?\nSee 'daybook --help'."
      ),
      (
        "up --detatch",
        "'up' has no flag '--detatch'. Did you mean '--detach'?\nSee 'daybook up --help'."
      ),
      (
        "up --prot 80",
        "'up' has no flag '--prot'. Did you mean '--port'?\nSee 'daybook up --help'."
      ),
      ("up now", "'up' does not take 'now'.\nSee 'daybook up --help'."),
      ("up --detach=1", "--detach takes no value.\nSee 'daybook up --help'."),
      ("up --detach --detach", "--detach is given twice.\nSee 'daybook up --help'."),
      ("up --port", "--port needs a value.\nSee 'daybook --help'."),
      (
        "import contacts --org o",
        "FILE is missing: the file.\nSee 'daybook import contacts --help'."
      ),
      (
        "import contacts f",
        "--org ORG is missing: whose contacts they are.\nSee 'daybook import contacts --help'."
      ),
    ])
  func `a line that makes no sense is answered with what was meant`(line: String, answer: String) {
    #expect(error(line) == answer)
  }

  @Test func `help is there for every command, and asks for no settings to be right`() throws {
    for line in ["rebuild --help", "rebuild -h", "help rebuild", "--help rebuild"] {
      #expect(try help(line).hasPrefix("Usage: daybook rebuild [NAME...] [--all] [--json]\n"))
    }
    for line in ["", "help", "--help"] {
      #expect(try help(line).contains("projection list  show where the read models are\n"))
    }
  }

  @Test func `a command's help is its usage, its words and its flags`() throws {
    #expect(
      try help("import contacts --help") == """
        Usage: daybook import contacts FILE [--map COLUMN=FIELD] --org ORG

        Read contacts from a CSV file.

        Arguments:
          FILE  the file

        Options:
          --map COLUMN=FIELD  what a column holds
          --org ORG           whose contacts they are

        The settings that every command takes (--home and others): 'daybook --help'.

        """)
  }

  @Test func `internal commands are run but not listed or suggested`() throws {
    #expect(try !help("").contains("serve"))
    #expect(error("srve") == "There is no command 'srve'.\nSee 'daybook --help'.")
    _ = try invocation("serve")
  }
}
