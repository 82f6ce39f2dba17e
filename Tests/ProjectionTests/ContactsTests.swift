import Domain
import Testing

@Suite struct ContactsTests {
  @Test func `a contact's row holds its details, tags and consent`() async throws {
    try await withDesk { desk in
      try await desk.history.append(
        ann,
        [
          created("Ann", phone: "+12025550100", email: "Ann@Example.com", lastName: "Lee"),
          tagged("vip"), tagged("lead"), optedIn(),
        ])
      try await desk.history.append(
        ann, [updated(FieldChange(field: "custom.city", value: .text("Lima"))), untagged("lead")])
      try await desk.project()
      let rows = try desk.table(
        """
        SELECT first_name, last_name, phone, email_key, tags, custom, consent->'sms'->>'status',
          version, name_key FROM contacts_v3.contacts
        """)
      #expect(
        rows == [
          "Ann | Lee | +12025550100 | ann@example.com | {vip} | {\"city\": \"Lima\"} | opted_in | 6"
            + " | ann lee"
        ])
      #expect(try desk.table("SELECT tag FROM contacts_v3.contact_tags") == ["vip"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `an erased person's values are gone and the row says so`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann", phone: "+12025550100"), tagged("vip")])
      try await desk.history.append(
        ann, [.contact(.updated(fields: ["first_name"], changes: .erased))])
      try await desk.project()
      #expect(
        try desk.table("SELECT first_name, phone, search, erased FROM contacts_v3.contacts")
          == ["- | - |  | t"])
    }
  }

  @Test func `consent names when it took its present value`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann"), optedIn()])
      try await desk.history.append(ann, [optedOut()])
      try await desk.project(batchLimit: 1)
      #expect(
        try desk.table(
          """
          SELECT consent->'sms'->>'status', to_timestamp((consent->'sms'->>'since')::numeric / 1e6)
          FROM contacts_v3.contacts
          """) == ["opted_out | 2025-06-01 12:00:02+00"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a text with a NUL is stored with a replacement`() async throws {
    try await withDesk { desk in
      try await desk.history.append(
        ann, [created("A\0n", custom: ["note": .text("x\0y")])])
      try await desk.project()
      #expect(
        try desk.table("SELECT first_name, custom->>'note' FROM contacts_v3.contacts")
          == ["A\u{FFFD}n | x\u{FFFD}y"])
    }
  }

  @Test func `two orgs may have contacts of the same id`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(ann, [created("Another")], by: Who(org: other))
      try await desk.project()
      #expect(
        try desk.table("SELECT first_name FROM contacts_v3.contacts ORDER BY org")
          == ["Ann", "Another"])
    }
  }
}
