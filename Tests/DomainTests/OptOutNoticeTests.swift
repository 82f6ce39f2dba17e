import Domain
import Testing

@Suite struct OptOutNoticeTests {
  @Test(arguments: [
    "Big sale! Reply STOP to opt out.", "reply stop to unsubscribe", "Text STOP to cancel",
    "Txt STOP 2 quit", "Sale. STOP to end", "Sale today STOP=end",
    "To opt out reply with the word STOP",
    "Msg&data rates may apply. HELP for help, STOP to cancel.",
    "Stop by! Text \"STOP\" to end", "STOP2END", "Responda ALTO para cancelar",
    "Text back UNSUBSCRIBE",
    "STOP to opt-out",
  ])
  func `a text that says how to end it`(body: String) {
    #expect(OptOutNotice.isIn(body))
  }

  @Test(arguments: [
    "Meet us at the bus stop", "MEET US AT THE BUS STOP", "Don't stop believing",
    "stop by to cancel out the blues",
    "Stop in today", "Make a stop to end your trip well", "This is the END of the sale",
    "Reply YES to book", "We send end of season offers", "We can't STOP giving", "Nonstop fun", "",
    "NONSTOP to end of June",
  ])
  func `a text that does not`(body: String) {
    #expect(!OptOutNotice.isIn(body))
  }
}
