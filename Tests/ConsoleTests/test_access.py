"""What everybody needs: names on every control, an order of focus, contrast, no sideways scrolling."""

import pytest
from playwright.sync_api import Page, expect

from system import Contact, System

SCREENS = ["contacts", "segments", "campaigns", "workflows", "wallet", "audit", "webhooks"]

# Controls without an accessible name, doubled ids, several or no h1, and text with too little contrast.
CHECK = """
() => {
  const problems = [];
  const name = (element) => {
    const labelled = (element.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
      .map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join(" ");
    return (labelled || element.getAttribute("aria-label") || labels || element.textContent
      || element.getAttribute("title") || "").trim();
  };
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  for (const control of document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex='0']")) {
    if (shown(control) && name(control) === "") problems.push("no name: " + control.outerHTML.slice(0, 120));
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids.filter((id, index) => ids.indexOf(id) !== index)) problems.push("id twice: " + id);
  const headings = document.querySelectorAll("h1").length;
  if (headings !== 1) problems.push(headings + " h1");
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) problems.push("scrolls sideways");

  const read = (color) => {
    const [r, g, b, a = 1] = (color.match(/[\\d.]+/g) ?? []).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a), a: 1,
  });
  const ground = (element) => {
    if (element === null) return { r: 255, g: 255, b: 255, a: 1 };
    const color = read(getComputedStyle(element).backgroundColor);
    return color.a === 1 ? color : over(color, ground(element.parentElement));
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const isQuiet = element.closest(":disabled, .nothing, noscript, option, .visually-hidden, [aria-hidden='true']");
    if (isQuiet || texts.currentNode.textContent.trim() === "" || !shown(element)) continue;
    const under = ground(element);
    const [a, b] = [light(over(read(getComputedStyle(element).color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const place = element.className + ": " + texts.currentNode.textContent.trim().slice(0, 30);
    if (ratio < 4.5 && !seen.has(element.className)) problems.push(`contrast ${ratio.toFixed(2)} ${place}`);
    if (ratio < 4.5) seen.add(element.className);
  }
  return problems;
}
"""


def settle(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def check_all(page: Page, system: System, contact: Contact) -> None:
    firsts = [
        f"{screen}/{system.call('GET', f'/api/{screen}?limit=1')['data'][0]['id']}"
        for screen in ("segments", "campaigns", "workflows")
    ]
    for path in [*SCREENS, *firsts, f"contacts/{contact.id}"]:
        page.goto(f"/{system.org}/{path}")
        settle(page)
        assert page.evaluate(CHECK) == [], path


@pytest.mark.look(color_scheme="light")
def test_every_screen_has_names_and_contrast_in_light(page: Page, system: System, contact: Contact) -> None:
    check_all(page, system, contact)


@pytest.mark.look(color_scheme="dark")
def test_every_screen_has_names_and_contrast_in_dark(page: Page, system: System, contact: Contact) -> None:
    check_all(page, system, contact)


@pytest.mark.look(viewport={"width": 375, "height": 720})
def test_every_screen_fits_a_phone(page: Page, system: System, contact: Contact) -> None:
    check_all(page, system, contact)


def test_the_sign_in_page_has_names_and_contrast(visitor: Page) -> None:
    visitor.goto("/")
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(visitor.get_by_label("Email")).to_be_focused()
    assert visitor.evaluate(CHECK) == []


def test_the_focus_goes_through_the_page_in_order_and_can_be_seen(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts")
    settle(page)
    stops = []
    for _ in range(24):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const element = document.activeElement;
              const box = element.getBoundingClientRect();
              const style = getComputedStyle(element);
              const after = getComputedStyle(element, "::after");
              const label = element.getAttribute("aria-label") ?? element.textContent.trim();
              const isMarked = style.outlineStyle !== "none" || after.outlineStyle !== "none";
              return { label, isMarked, top: box.top, isInside: box.bottom > 0 };
            }"""
        )
        assert stop["isMarked"] and stop["isInside"], stop
        stops.append(stop["label"])
    assert stops[0] == "Skip to content"
    order = ["Contacts", "Sign out", "Import CSV", "New contact", "Search contacts", "Filter by tag"]
    positions = [next(i for i, label in enumerate(stops) if label == wanted) for wanted in order]
    assert positions == sorted(positions), stops


@pytest.mark.look(viewport={"width": 375, "height": 720})
def test_the_menu_opens_on_a_phone_and_leads_on(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts")
    settle(page)
    expect(page.get_by_role("link", name="Wallet").first).not_to_be_visible()
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Wallet").click()
    expect(page.get_by_role("heading", name="Wallet", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Open menu")).to_be_visible()


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts")
    settle(page)
    button = page.get_by_role("button", name="New contact")
    button.click()
    dialog = page.get_by_role("dialog", name="New contact")
    expect(dialog.get_by_label("First name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
