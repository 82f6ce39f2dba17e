/// A person texts one of our numbers.
struct Inbound: Sendable {
  let from: String
  let to: String
  let body: String

  /// The message, and Twilio's own answer where it acts on the word. Nothing where the number
  /// belongs to no account. `answers` is the message whose planned reply this is; that step is done
  /// with it.
  func records(
    _ world: borrowing World, answers: String? = nil
  ) -> (records: [Record], value: [Message]) {
    guard let number = world.numbers[to] else {
      // Nobody has the number any more: the step is done all the same.
      return (answers.map { [.stepDone(sid: $0, outcome: .abandoned)] } ?? [], [])
    }
    let message = message(.inbound, from: from, to: to, body, number, world.nowMillis)
    var messages = [message]
    if let keyword = Keyword(body) {
      messages.append(
        self.message(.reply, from: to, to: from, keyword.reply, number, world.nowMillis))
    }
    let records = messages.map {
      Record.messageTaken($0, answers: $0.direction == .inbound ? answers : nil)
    }
    return (records, messages)
  }

  private func message(
    _ direction: Message.Direction, from: String, to: String, _ body: String,
    _ number: World.Number,
    _ nowMillis: Int64
  ) -> Message {
    Message(
      sid: makeSID("SM"), account: number.account, direction: direction, from: from, to: to,
      body: body, createdAtMillis: nowMillis,
      url: direction == .inbound ? number.inboundURL : nil,
      plan: CallbackPlan(behaviour: .delivers, delayMillis: 0))
  }
}
