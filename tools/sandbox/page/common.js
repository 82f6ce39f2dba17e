// What the pages of the sandbox have in common. Each asks once a second what has changed, and draws only what differs: a
// list that is rebuilt under the pointer is a list that one cannot click.

const pollMillis = 1000;
const drawn = {};

export const byId = (id) => document.getElementById(id);

export async function ask(path, body) {
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

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function time(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : date.toLocaleDateString([], { day: "numeric", month: "short" });
}

/// Whether `value` differs from what was last drawn under `name`; remembers it.
export function isNew(name, value) {
  const text = JSON.stringify(value);
  if (drawn[name] === text) return false;
  drawn[name] = text;
  return true;
}

/// What is drawn next under `name` is new, whatever it is.
export function forget(name) { delete drawn[name]; }

/// One line of the list on the left: who, when, and the last words.
export function listItem(key, isCurrent, who, at, words) {
  const button = element("button");
  button.type = "button";
  button.dataset.key = key;
  button.setAttribute("aria-current", String(isCurrent));
  button.append(
    element("span", "number", who), element("time", "", time(at)), element("span", "last", words));
  const item = element("li");
  item.append(button);
  return item;
}

/// Puts `items` into the list on the left; whoever was on one of them by keyboard stays there.
export function drawList(items) {
  const focused = document.activeElement.dataset.key;
  byId("phones").replaceChildren(...items);
  if (focused) document.querySelector(`[data-key="${focused}"]`)?.focus();
}

/// Calls `open` with the key of the line that somebody chose.
export function onChoice(open) {
  byId("phones").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open(button.dataset.key);
  });
}

/// Runs `action`; says on the page what went wrong with it.
export async function run(action) {
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

export async function poll(refresh) {
  if (!document.hidden) await run(refresh);
  setTimeout(poll, pollMillis, refresh);
}
