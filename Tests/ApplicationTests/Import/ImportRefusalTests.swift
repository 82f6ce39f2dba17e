import Application
import Domain
import Testing

@Suite struct ImportRefusalTests {
  @Test func `what is wrong is named by line and column, and the other rows come in`() async throws
  {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "name,phone,email,note\n"
        + "Ann,12,not an email,\"two\nlines\"\n"  // lines 2 and 3
        + "Bob,305-555-0123,b@example.com,\n"
        + ",,,only a note\n"
        + "Cy,305-555-0124\n"
        + "Di,5.04622E+09,,\n"
        + "Ed,3055550125.0,,,,\n")
    #expect(report.counts == [2, 0, 0, 4])
    #expect(
      report.errors.map { "\($0.line) \($0.column) \($0.code)" } == [
        "2 phone invalid_phone", "2 email invalid_email", "5  nothing_to_identify",
        "6  csv_field_count", "7 phone shortened_phone",
      ])
    #expect(try fixture.contacts().map(\.details.phone) == ["+13055550123", "+13055550125"])
  }

  @Test func `a refused row leaves no trace of itself`() async throws {
    let fixture = try await ImportFixture()
    let tags = (0..<199).map { "t\($0)" }
    _ = try await fixture.run("phone\n305-555-0123\n", ContactImport.Options(tags: tags))
    let count = try fixture.events().count
    let report = try await fixture.run(
      "phone,email,tags\n305-555-0123,a@example.com,\"new, newer\"\n")
    #expect(report.counts == [0, 0, 0, 1])
    #expect(report.errors.map(\.code) == ["too_many_tags"])
    #expect(report.errors.map(\.column) == ["tags"])
    #expect(try fixture.news(after: count).count == 2)
  }

  @Test func `the failed rows can be put right and imported again`() async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "name;phone;note\nAnn;12;\"a;b\"\nBob;305-555-0123;\nCy;13;\n")
    let text = String(decoding: report.errorsCSV(), as: UTF8.self)
    let lines = text.split(separator: "\r\n")
    #expect(lines.count == 3)
    #expect(lines.first == "\u{feff}name;phone;note;error")
    #expect(lines.dropFirst().first?.hasPrefix("Ann;12;\"a;b\";phone: Not a phone number.") == true)

    let again = try await fixture.run(text)
    #expect(again.counts == [0, 0, 0, 2])
    #expect(again.fields == ["name", "phone", "custom.note", ""])
    #expect(again.errorsCSV() == report.errorsCSV())
    let right = text.replacing(";12;", with: ";305-555-0124;")
      .replacing(";13;", with: ";305-555-0125;")
    #expect(try await fixture.run(right).counts == [2, 0, 0, 0])
    #expect(try fixture.contacts().allSatisfy { $0.details.custom["error"] == nil })
  }

  @Test func `a map overrides the guess`() async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "phone,landline,id,group\n305-555-0123,305-555-0124,7,\"a, b\"\n",
      ContactImport.Options(
        columns: ["landline": "phone", "ID": "", "group": "tags"]))
    #expect(report.fields == ["custom.phone2", "phone", "", "tags"])
    #expect(report.columns.map(\.guessed) == [true, false, false, false])
    let contact = try #require(try fixture.contacts().first)
    #expect(contact.details.phone == "+13055550124")
    #expect(contact.details.custom == ["phone2": .text("305-555-0123")])
    #expect(contact.tags == ["a", "b"])
  }

  @Test(
    arguments: [
      ("Home Phone,Mobile Phone,Work Phone", ["custom.phone2", "phone", "custom.phone3"]),
      ("phone2,phone1,mobile", ["custom.phone2", "custom.phone3", "phone"]),
      ("Vorname,Name,Handy", ["first_name", "last_name", "phone"]),
      ("firstName,familyName,emailAddress", ["first_name", "last_name", "email"]),
      ("FULL_NAME,E-mail 1 - Value,E-mail 2 - Value", ["name", "email", "custom.e_mail_2_value"]),
      ("Prénom,Téléphone,Größe", ["first_name", "phone", "custom.grosse"]),
      ("email,,Note,note", ["email", "custom.column_2", "custom.note", "custom.note_2"]),
      ("company,company_name,Lead Source", ["company", "custom.company_name", "source"]),
    ] as [(String, [String])])
  func `columns are guessed by their names`(header: String, fields: [String]) async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(header + "\n", ContactImport.Options(isDryRun: true))
    #expect(report.fields == fields)
  }

  @Test func `a file that cannot be imported is refused as a whole`() async throws {
    let fixture = try await ImportFixture()
    let count = try fixture.events().count
    func refusal(
      _ text: String, _ options: ContactImport.Options = ContactImport.Options()
    ) async -> ImportError? {
      do {
        _ = try await fixture.run(text, options)
        return nil
      } catch {
        return error as? ImportError
      }
    }
    #expect(await refusal("")?.code == "csv_no_header")
    #expect(await refusal("Ann,305-555-0123\nBob,305-555-0124\n") == .nothingToIdentify)
    let unknown = ContactImport.Options(columns: ["shoe": "phone"])
    #expect(await refusal("email\n", unknown) == .unknownColumn("shoe"))
    let shoe = ContactImport.Options(columns: ["email": "shoe"])
    #expect(await refusal("email\n", shoe) == .unknownField("shoe", column: "email"))
    let twice = ContactImport.Options(columns: ["a": "phone", "b": "phone"])
    #expect(await refusal("a,b\n", twice) == .fieldTwice("phone"))
    let blank = ContactImport.Options(tags: [""])
    #expect(await refusal("email\n", blank) == .invalidTag(limitBytes: 100))
    let consent = ContactImport.Options(consent: ImportConsentTests.consent)
    #expect(await refusal("email\n", consent) == .consentWithoutAddress(.sms))
    #expect(try fixture.events().count == count)
  }
}
