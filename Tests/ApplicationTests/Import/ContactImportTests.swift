import Application
import Domain
import EventLog
import Foundation
import Synchronization
import Testing

@Suite struct ContactImportTests {
  @Test func `rows become contacts with their phones in E.164 and their tags`() async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "\u{feff}First Name;Last Name;Mobile;E-Mail;Stadt;PLZ\r\n"
        + "Ann;\"O\"\"Hara\";(305) 555-0123;ann@example.com;\"New\r\nYork\";02134\r\n",
      ContactImport.Options(tags: ["webinar"], source: "Fair"))
    #expect(report.counts == [1, 0, 0, 0])
    #expect(
      report.fields == ["first_name", "last_name", "phone", "email", "custom.stadt", "custom.plz"])
    let contact = try #require(try fixture.contacts().first)
    #expect(
      contact.details
        == ContactDetails(
          firstName: "Ann", lastName: "O\"Hara", email: "ann@example.com", phone: "+13055550123",
          rawPhone: "(305) 555-0123",
          custom: ["stadt": .text("New\r\nYork"), "plz": .text("02134")]))
    #expect(contact.tags == ["webinar"])
    #expect(contact.source == "Fair")
  }

  @Test(.enabled(if: SharedData.isPresent, "../shared/data/us-300.csv is not beside this checkout"))
  func `three hundred people come in, and the second time nothing changes`() async throws {
    let fixture = try await ImportFixture()
    let bytes = Array(try Data(contentsOf: SharedData.us300))
    let first = try await fixture.run(bytes)
    #expect(first.rowCount == 300)
    #expect(first.counts == [300, 0, 0, 0])
    #expect(
      first.fields == [
        "first_name", "last_name", "company", "custom.address", "custom.city", "custom.county",
        "custom.state", "custom.zip", "phone", "custom.phone2", "email", "custom.web",
      ])
    let contacts = try fixture.contacts()
    #expect(contacts.count == 300)
    #expect(contacts.allSatisfy { $0.details.phone?.hasPrefix("+1") == true })
    // New Jersey's 08014, whose zero a spreadsheet took.
    #expect(contacts[2].details.custom["zip"] == .text("8014"))

    let count = try fixture.events().count
    let second = try await fixture.run(bytes)
    #expect(second.counts == [0, 0, 300, 0])
    let news = try fixture.news(after: count)
    #expect(news.count == 2)
    guard case .importJob(.started(let fingerprint, 300, _)) = news.first,
      case .importJob(.completed(let outcome)) = news.last
    else {
      Issue.record("a second import is its job's start and end and nothing else")
      return
    }
    #expect(fingerprint.count == 64)
    #expect(outcome.unchangedCount == 300)
  }

  @Test func `a contact that is there keeps what it has and gets what it lacks`() async throws {
    let fixture = try await ImportFixture()
    _ = try await fixture.run("first_name,phone,city\nAnn,+13055550123,Miami\n")
    let report = try await fixture.run(
      "first_name,last_name,phone,email,city\nAnna,Butt,305-555-0123,ann@example.com,Tampa\n",
      ContactImport.Options(tags: ["fair"]))
    #expect(report.counts == [0, 1, 0, 0])
    let contact = try #require(try fixture.contacts().first)
    #expect(contact.details.firstName == "Ann")
    #expect(contact.details.lastName == "Butt")
    #expect(contact.details.email == "ann@example.com")
    #expect(contact.details.rawPhone == nil)
    #expect(contact.details.custom == ["city": .text("Miami")])
    #expect(contact.tags == ["fair"])
  }

  @Test func `an email in another case is the same email`() async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "name,email,phone\nAnn,Ann@Example.com,\nAnn,ann@example.COM,305-555-0123\n")
    #expect(report.counts == [1, 1, 0, 0])
    #expect(try fixture.contacts().map(\.details.phone) == ["+13055550123"])
    #expect(try fixture.contacts().map(\.details.rawPhone) == ["305-555-0123"])
  }

  @Test(arguments: [false, true])
  func `duplicates in the file merge with the earlier row`(isDryRun: Bool) async throws {
    let fixture = try await ImportFixture()
    // 250 rows lie between the two: in another commit.
    let others = (0..<250).map { "x\($0),x\($0)@example.com,\n" }.joined()
    let report = try await fixture.run(
      "name,email,phone\nAnn,a@example.com,305-555-0123\nAnn B,b@example.com,(305) 555 0123\n"
        + others + "Ann,a@example.com,\nAnn,c@example.com,305-555-0123\n",
      ContactImport.Options(isDryRun: isDryRun))
    #expect(report.counts == [251, 1, 2, 0])
    #expect(try fixture.contacts().count == (isDryRun ? 0 : 251))
  }

  @Test func `a row that means two contacts is refused`() async throws {
    let fixture = try await ImportFixture()
    let report = try await fixture.run(
      "phone,email\n305-555-0123,a@example.com\n305-555-0124,b@example.com\n"
        + "305-555-0123,b@example.com\n")
    #expect(report.counts == [2, 0, 0, 1])
    #expect(report.errors.first?.code == "duplicate_contact")
    #expect(report.errors.first?.line == 4)
  }

  @Test func `rows without an address are told apart by name`() async throws {
    let fixture = try await ImportFixture()
    let file = "name,city\nAnn Lee,Miami\nann lee,\nAnn Lee,Tampa\nBob,\n"
    #expect(try await fixture.run(file).counts == [3, 0, 1, 0])
    #expect(try await fixture.run(file).counts == [0, 0, 4, 0])
    #expect(try fixture.contacts().count == 3)
  }

  @Test func `a full name is taken apart`() async throws {
    let fixture = try await ImportFixture()
    _ = try await fixture.run(
      "Name\nJames Butt\n\"Darakjy, Josephine\"\nLudwig van Beethoven\nMartin Luther King Jr.\n"
        + "Cher\njames earl jones\n")
    let names = try fixture.contacts().map {
      [$0.details.firstName ?? "-", $0.details.lastName ?? "-"]
    }
    #expect(
      names == [
        ["James", "Butt"], ["Josephine", "Darakjy"], ["Ludwig", "van Beethoven"],
        ["Martin Luther", "King Jr."], ["Cher", "-"], ["james earl", "jones"],
      ])
  }

  @Test func `a dry run tells what would follow and writes nothing`() async throws {
    let fixture = try await ImportFixture()
    _ = try await fixture.run("name,phone\nAnn,305-555-0123\n")
    let count = try fixture.events().count
    let report = try await fixture.run(
      "name,phone,email\nAnn,305-555-0123,a@example.com\nBob,,b@example.com\nBob,,b@example.com\n"
        + "Eve,1,\n",
      ContactImport.Options(tags: ["x"], isDryRun: true), key: "k")
    #expect(report.counts == [1, 1, 1, 1])
    #expect(report.lastPosition == nil)
    #expect(try fixture.events().count == count)
  }

  @Test func `many rows are many commits, and progress is told after each`() async throws {
    let fixture = try await ImportFixture()
    let rows = (0..<450).map { "c\($0)@example.com\n" }.joined()
    let told = Mutex<[[Int]]>([])
    let report = try await fixture.run(Array("email\n\(rows)".utf8)) { done, all in
      told.withLock { $0.append([done, all]) }
    }
    #expect(report.counts == [450, 0, 0, 0])
    #expect(told.withLock { $0 } == [[200, 450], [400, 450], [450, 450]])
    let events = try fixture.events()
    #expect(report.lastPosition == events.last?.position)
    let started = try #require(events.first { $0.type == "import.started" })
    #expect(events.last?.type == "import.completed")
    #expect(events.last?.context.causation == started.position)
  }
}
