import { ask, byId, drawList, element, forget, isNew, listItem, onChoice, poll, run, time } from "./common.js";

const state = { phone: null, phones: [], numbers: [] };

function drawStats(stats) {
  const count = (number, one, many) => `${number.toLocaleString()} ${number === 1 ? one : many}`;
  byId("stats").textContent = [
    count(stats.received, "message", "messages"),
    stats.duplicates > 0 ? count(stats.duplicates, "duplicate", "duplicates") : "no duplicates",
    count(stats.opt_outs, "opt-out", "opt-outs"),
    count(stats.callbacks_pending, "callback waiting", "callbacks waiting"),
  ].join(" · ");
  byId("pause").setAttribute("aria-pressed", String(stats.callbacks_paused));
  byId("pause").textContent = stats.callbacks_paused ? "Resume callbacks" : "Pause callbacks";
}

function drawPhones(total) {
  const wanted = byId("search").value.replace(/[^0-9+]/g, "");
  const shown = state.phones.filter((entry) => entry.phone.includes(wanted));
  if (!isNew("phones", [shown, state.phone])) return;
  drawList(shown.map(({ phone, last }) =>
    listItem(phone, phone === state.phone, phone, last.created_at, last.body)));
  byId("more").hidden = total <= state.phones.length;
  byId("more").textContent = `The latest ${state.phones.length} of ${total.toLocaleString()} phones`;
}

function about(message) {
  const line = element("span", "about");
  const isMine = message.direction === "inbound";
  const number = isMine ? `to ${message.to}` : `from ${message.from}`;
  line.append(`${number} · ${time(message.created_at)}`);
  if (isMine) return line;
  const word = message.direction === "outbound-reply" ? "automatic answer" : message.status;
  const isBad = message.error_code !== null;
  const status = element("span", isBad ? "bad" : "", isBad ? `${word} (${message.error_code})` : word);
  line.append(" · ", status);
  return line;
}

function drawMessages(messages) {
  if (!isNew("messages", messages)) return;
  const list = byId("messages");
  const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(...messages.map((message) => {
    const item = element("li", message.direction === "inbound" ? "mine" : "");
    item.append(element("span", "bubble", message.body), about(message));
    return item;
  }));
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
  const last = messages.findLast((message) => message.direction !== "inbound");
  if (last) chooseNumber(last.from);
}

/// Offers the numbers that can be answered; keeps what the person has chosen.
function drawNumbers() {
  if (!isNew("numbers", state.numbers)) return;
  const select = byId("number");
  const chosen = select.value;
  select.replaceChildren(...state.numbers.map((number) => {
    const option = element("option", "", number);
    option.value = number;
    return option;
  }));
  if (state.numbers.includes(chosen)) select.value = chosen;
}

function chooseNumber(number) {
  if (state.chosenFor === state.phone || !state.numbers.includes(number)) return;
  state.chosenFor = state.phone;
  byId("number").value = number;
}

async function refresh() {
  const [stats, phones] = await Promise.all([ask("/sandbox/stats"), ask("/sandbox/phones")]);
  drawStats(stats);
  state.phones = phones.phones;
  state.numbers = phones.numbers;
  drawPhones(phones.phone_count);
  drawNumbers();
  if (state.phone) await refreshConversation();
}

async function refreshConversation() {
  const phone = state.phone;
  const answer = await ask(`/sandbox/messages?limit=200&phone=${encodeURIComponent(phone)}`);
  if (phone !== state.phone) return;
  drawMessages(answer.data.reverse());
  const entry = state.phones.find((candidate) => candidate.phone === phone);
  const optedOutOf = entry ? entry.opted_out_of : [];
  byId("opted-out").hidden = optedOutOf.length === 0;
  byId("opted-out").textContent = `Opted out of ${optedOutOf.join(", ")}`;
}

function open(phone) {
  state.phone = phone;
  forget("messages");
  state.chosenFor = null;
  byId("empty").hidden = true;
  byId("conversation").hidden = false;
  byId("phone").textContent = phone;
  byId("messages").replaceChildren();
  byId("text").focus();
  run(refresh);
}

async function send(body) {
  const to = byId("number").value;
  if (!to) throw new Error("There is no number to answer to: no account is registered.");
  await ask("/sandbox/inbound", { from: state.phone, to, body });
  const list = byId("messages");
  list.scrollTop = list.scrollHeight;
  await refresh();
}

function sendTyped() {
  const text = byId("text").value;
  if (text.trim() === "") return;
  run(async () => {
    await send(text);
    byId("text").value = "";
  });
}

onChoice(open);
byId("search").addEventListener("input", () => run(refresh));
byId("new").addEventListener("submit", (event) => {
  event.preventDefault();
  open(byId("new-phone").value);
  byId("new").reset();
});
byId("reply").addEventListener("submit", (event) => {
  event.preventDefault();
  sendTyped();
});
byId("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendTyped();
});
for (const button of document.querySelectorAll("[data-word]")) {
  button.addEventListener("click", () => run(() => send(button.dataset.word)));
}
byId("pause").addEventListener("click", () => run(async () => {
  const isPaused = byId("pause").getAttribute("aria-pressed") === "true";
  await ask("/sandbox/pause-callbacks", { paused: !isPaused });
  await refresh();
}));
byId("open-faults").addEventListener("click", () => run(async () => {
  const panel = byId("faults");
  panel.hidden = !panel.hidden;
  byId("open-faults").setAttribute("aria-expanded", String(!panel.hidden));
  const dial = await ask("/sandbox/faults");
  for (const input of panel.querySelectorAll("input")) input.value = dial[input.name];
}));
byId("faults").addEventListener("change", (event) => {
  if (!event.target.reportValidity()) return;
  run(() => ask("/sandbox/faults", { [event.target.name]: Number(event.target.value) }));
});

poll(refresh);
