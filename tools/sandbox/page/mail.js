import { ask, byId, drawList, element, isNew, listItem, onChoice, poll, run } from "./common.js";

// Shows what the mailboxes hold.

const state = { mail: null, mails: [] };

// What became of a press of each button.
const doneWords = {
  open: "Opened.",
  click: "Followed the link.",
  unsubscribe: "Unsubscribed.",
  bounce: "Bounced.",
  complain: "Called spam.",
  reply: "Answered.",
};

async function act(name, body) {
  byId("done").textContent = "";
  await ask(`/sandbox/mail/${state.mail.id}/${name}`, body);
  byId("done").textContent = doneWords[name];
}

function draw() {
  if (!isNew("mails", [state.mails.map((mail) => mail.id), state.mail?.id])) return;
  drawList(state.mails.map((mail) =>
    listItem(mail.id, mail.id === state.mail?.id, mail.to, mail.created_at, mail.subject)));
}

function open(id) {
  const mail = state.mails.find((candidate) => candidate.id === id);
  if (mail === undefined) return;
  state.mail = mail;
  byId("done").textContent = "";
  byId("empty").hidden = true;
  byId("conversation").hidden = false;
  byId("subject").textContent = mail.subject;
  byId("about").textContent = `from ${mail.from} to ${mail.to}`;
  const page = mail.html ?? element("pre", "", mail.text).outerHTML;
  // Without the pixel: looking at a mailbox from outside is no opening, pressing the button is.
  byId("body").srcdoc = page.replace(/<img[^>]* width="1" height="1"[^>]*>/g, "");
  byId("link").replaceChildren(...mail.links.map((link, index) => {
    const option = element("option", "", link);
    option.value = String(index);
    return option;
  }));
  for (const button of document.querySelectorAll("[data-act]")) {
    const act = button.dataset.act;
    button.disabled = (act === "click" && mail.links.length === 0)
      || (act === "open" && !mail.has_pixel) || (act === "unsubscribe" && !mail.unsubscribe_url);
  }
  run(refresh);
}

async function refresh() {
  state.mails = (await ask("/sandbox/mail")).data;
  draw();
}

onChoice(open);
for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => run(async () => {
    const body = button.dataset.act === "click" ? { link: Number(byId("link").value) } : {};
    await act(button.dataset.act, body);
  }));
}
byId("reply").addEventListener("submit", (event) => {
  event.preventDefault();
  run(async () => {
    await act("reply", { text: byId("text").value });
    byId("text").value = "";
  });
});

poll(refresh);
