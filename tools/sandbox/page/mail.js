"use strict";

// Shows what the mailboxes hold. Draws a list only where it differs from what is shown.

const byId = (id) => document.getElementById(id);
const state = { mail: null, drawn: "" };

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function draw(mails) {
  const text = JSON.stringify([mails.map((mail) => mail.id), state.mail?.id]);
  if (text === state.drawn) return;
  state.drawn = text;
  byId("phones").replaceChildren(...mails.map((mail) => {
    const button = element("button");
    button.type = "button";
    button.setAttribute("aria-current", String(mail.id === state.mail?.id));
    button.append(
      element("span", "number", mail.to),
      element("time", "", new Date(mail.created_at).toLocaleTimeString()),
      element("span", "last", mail.subject));
    button.addEventListener("click", () => open(mail));
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function open(mail) {
  state.mail = mail;
  byId("empty").hidden = true;
  byId("conversation").hidden = false;
  byId("subject").textContent = mail.subject;
  byId("about").textContent = `from ${mail.from} to ${mail.to}`;
  const page = mail.html ?? element("pre", "", mail.text).outerHTML;
  byId("body").srcdoc = page;
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

async function refresh() { draw((await ask("/sandbox/mail")).data); }

async function run(action) {
  try {
    await action();
    byId("problem").hidden = true;
  } catch (error) {
    byId("problem").textContent = error instanceof TypeError
      ? "The sandbox does not answer."
      : error.message;
    byId("problem").hidden = false;
  }
}

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => run(async () => {
    const body = button.dataset.act === "click" ? { link: Number(byId("link").value) } : {};
    await ask(`/sandbox/mail/${state.mail.id}/${button.dataset.act}`, body);
  }));
}
byId("reply").addEventListener("submit", (event) => {
  event.preventDefault();
  run(async () => {
    await ask(`/sandbox/mail/${state.mail.id}/reply`, { text: byId("text").value });
    byId("text").value = "";
  });
});

async function poll() {
  if (!document.hidden) await run(refresh);
  setTimeout(poll, 1000);
}
poll();
