import Domain
import Testing

/// What a mail says of its writer's wish to get more of them.
@Suite struct MailOptOutTests {
  @Test(arguments: [
    "unsubscribe", "STOP", "Unsubscribe\n\nSent from my phone",
    "Hi,\n\nPlease remove me from your list.\n\nThanks,\nAnn",
    "Hello Bright Dental,\nI don't want to receive these emails anymore.\nAnn Lee",
    "Dear all,\n\nThank you for the offer, it looks nice.\nBut please stop sending me emails.",
    "I moved away last year. Please take me off\nyour mailing list.\nAnn",
    "remove me\n\nOn Mon, Nov 2, 2026 at 9:00 AM Bright Dental <hi@a.example> wrote:\n> Sale!",
  ])
  func `a revocation is certain wherever it stands`(text: String) {
    #expect(OptOutKeywords.classify(mail: text, subject: "Re: Spring sale") == .optOut)
  }

  @Test func `the subject alone may say it`() {
    #expect(OptOutKeywords.classify(mail: "", subject: "Unsubscribe") == .optOut)
    #expect(OptOutKeywords.classify(mail: "Ann Lee\n12 Main St", subject: "STOP") == .optOut)
  }

  @Test(arguments: [
    "Hi,\nwe talked yesterday.\nStop\nAnn", "not interested", "Hello,\n\nwrong number\n",
    "Good morning,\nstop. I never signed up for this",
  ])
  func `what only reads like one is for a human`(text: String) {
    #expect(OptOutKeywords.classify(mail: text, subject: "Re: Spring sale") == .unsure)
  }

  @Test(arguments: [
    "Thank you!\n> STOP", "Thanks, see you on Monday.\n\n-----Original Message-----\nSTOP",
    "Yes please.\n\nAm 2. November schrieb hi@a.example:\nunsubscribe",
    "See you.\nAnn\n\nFrom: Bright Dental <hi@a.example>\nSent: Monday\n\nUnsubscribe here",
    "Sounds good\n--\nUnsubscribe\nAnn Lee, Sales", "See you at the bus stop.\nAnn",
    "Hi,\ncan we move it to the end of the week?\nAnn", "Out of office: I am back on Monday.", "",
    "What do I have to bring?\nPlease cancel nothing yet.\nAnn",
  ])
  func `what is quoted, signed or ordinary is nothing`(text: String) {
    #expect(OptOutKeywords.classify(mail: text, subject: "Re: Spring sale") == nil)
  }
}
