import re

import pytest
from playwright.sync_api import Page, expect

from system import CONSENT, GUAM, Contact, System


def open_contact(page: Page, system: System, contact: Contact) -> None:
    page.goto(f"/{system.org}/contacts/{contact.id}")
    expect(page.get_by_role("heading", name=contact.name, level=1)).to_be_visible()


def composer(page: Page):
    return page.get_by_role("form", name="Write to this person")


def bubble(page: Page, text: str):
    return page.locator(".message").filter(has_text=text)


def text_contact(page: Page, text: str) -> None:
    composer(page).get_by_label("Message").fill(text)
    composer(page).get_by_role("button", name="Send").click()


def test_a_text_goes_out_and_its_delivery_shows_without_a_reload(
    page: Page, system: System, contact: Contact
) -> None:
    open_contact(page, system, contact)
    expect(composer(page)).to_contain_text("May be texted")
    composer(page).get_by_label("Message").fill("Your table is ready.")
    cost = composer(page).get_by_label("Cost")
    expect(cost).to_contain_text(re.compile(r"1 segment · GSM-7 · \$0\.\d+"))
    composer(page).get_by_role("button", name="Send").click()
    expect(composer(page).get_by_label("Message")).to_have_value("")
    expect(bubble(page, "Your table is ready.")).to_have_count(1)
    expect(bubble(page, "Your table is ready.")).to_contain_text("Delivered")
    expect(bubble(page, "Your table is ready.")).to_have_count(1)


def test_one_character_can_change_encoding_and_price(page: Page, system: System, contact: Contact) -> None:
    open_contact(page, system, contact)
    message = composer(page).get_by_label("Message")
    cost = composer(page).get_by_label("Cost")
    message.fill("a" * 100)
    expect(cost).to_contain_text("1 segment · GSM-7")
    message.fill("a" * 100 + "’")
    expect(cost).to_contain_text("2 segments · Unicode")


def test_a_timeline_is_narrowed_by_kind_and_ordered_by_conversation(
    page: Page, system: System, contact: Contact
) -> None:
    open_contact(page, system, contact)
    text_contact(page, "One word of it")
    expect(bubble(page, "One word of it")).to_contain_text("Delivered")
    timeline = page.get_by_role("region", name="Timeline")
    opted_in = timeline.locator(".entry-consent")
    expect(opted_in.first).to_be_visible()
    timeline.get_by_label("Kind of entry").select_option("consent")
    expect(bubble(page, "One word of it")).to_have_count(0)
    expect(opted_in.first).to_be_visible()
    timeline.get_by_label("Kind of entry").select_option("message")
    expect(bubble(page, "One word of it")).to_have_count(1)
    expect(opted_in).to_have_count(0)
    timeline.get_by_label("Kind of entry").select_option("")
    timeline.get_by_label("By conversation").check()
    texts = timeline.get_by_role("region", name=re.compile("^Texts with"))
    expect(texts).to_contain_text("One word of it")
    expect(timeline.get_by_role("region", name="Everything else").locator(".entry-consent").first).to_be_visible()


def test_somebody_who_opted_out_cannot_be_written_to_and_the_page_says_why(
    page: Page, system: System, silent_contact: Contact
) -> None:
    open_contact(page, system, silent_contact)
    expect(composer(page)).to_contain_text(re.compile(r"Opted out on \d+ \w+ \d{4}"))
    expect(composer(page).get_by_label("Message")).to_be_disabled()
    expect(composer(page).get_by_role("button", name="Send")).to_be_disabled()


def test_in_quiet_hours_a_text_waits_and_can_be_taken_back(page: Page, system: System) -> None:
    asleep = system.create_contact(place=GUAM, consents=[CONSENT])
    open_contact(page, system, asleep)
    expect(composer(page)).to_contain_text(re.compile(r"Quiet hours there until 08:00"))
    composer(page).get_by_label("Message").fill("Good morning!")
    composer(page).get_by_role("button", name="Send later").click()
    expect(bubble(page, "Good morning!")).to_contain_text(re.compile(r"Waiting until .* \(quiet hours\)"))
    bubble(page, "Good morning!").get_by_role("button", name="Cancel").click()
    expect(bubble(page, "Good morning!")).to_contain_text("Cancelled")


def test_a_stop_shows_at_once_and_blocks_the_composer(page: Page, system: System, contact: Contact) -> None:
    open_contact(page, system, contact)
    text_contact(page, "Shall we still text you?")
    expect(bubble(page, "Shall we still text you?")).to_contain_text("Delivered")
    system.reply(contact, "STOP")
    expect(page.locator(".message-in").filter(has_text="STOP")).to_be_visible()
    expect(composer(page)).to_contain_text("Opted out by STOP")
    expect(composer(page).get_by_label("Message")).to_be_disabled()
    consent = page.get_by_role("region", name="Consent")
    expect(consent.locator('[data-channel="sms"]')).to_have_attribute("data-status", "opted_out")


def test_an_ordinary_reply_shows_at_once(page: Page, system: System, contact: Contact) -> None:
    open_contact(page, system, contact)
    text_contact(page, "Tuesday or Wednesday?")
    expect(bubble(page, "Tuesday or Wednesday?")).to_contain_text("Delivered")
    system.reply(contact, "Wednesday suits me")
    expect(page.locator(".message-in").filter(has_text="Wednesday suits me")).to_be_visible()
    expect(composer(page).get_by_label("Message")).to_be_enabled()


def test_an_opt_in_is_recorded_with_its_wording(page: Page, system: System) -> None:
    nobody_asked = system.create_contact()
    open_contact(page, system, nobody_asked)
    page.get_by_role("button", name="Record an opt-in for SMS").click()
    dialog = page.get_by_role("dialog", name="Opt-in for SMS")
    dialog.get_by_label("Where").fill("Front desk")
    dialog.get_by_label("What they agreed to").fill("May we text you about visits?")
    dialog.get_by_role("button", name="Record opt-in").click()
    expect(page.get_by_role("region", name="Consent")).to_contain_text("Opted in, marketing")
    expect(composer(page)).to_contain_text("May be texted")


def test_tags_come_and_go(page: Page, system: System, contact: Contact) -> None:
    open_contact(page, system, contact)
    tags = page.get_by_role("region", name="Tags")
    tags.get_by_label("Add a tag").fill("vip, regular")
    page.keyboard.press("Enter")
    expect(tags.get_by_role("listitem")).to_have_count(2)
    tags.get_by_role("button", name="Remove tag vip").click()
    expect(tags.get_by_role("listitem")).to_have_text(["regular"])
    found = system.call("GET", f"/api/contacts/{contact.id}")
    assert found["tags"] == ["regular"]


@pytest.mark.expects_failures
def test_an_edit_saves_what_changed_and_refuses_to_overwrite_somebody_else(
    page: Page, system: System, contact: Contact
) -> None:
    open_contact(page, system, contact)
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit contact")
    dialog.get_by_label("Company").fill("Harbor Realty")
    dialog.get_by_role("button", name="Save").click()
    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text("Harbor Realty")

    page.route("**/api/events?*", lambda route: route.abort())
    page.reload()
    page.get_by_role("button", name="Edit").click()
    system.call("PATCH", f"/api/contacts/{contact.id}", {"company": "Northwind"})
    dialog.get_by_label("Company").fill("Alder & Sons")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody changed this contact")
    assert system.call("GET", f"/api/contacts/{contact.id}")["company"] == "Northwind"


@pytest.mark.expects_failures
def test_a_send_that_is_tried_again_goes_out_once(page: Page, system: System, contact: Contact) -> None:
    """The answer to the first try is lost after the server acted; the second carries the same key."""
    open_contact(page, system, contact)
    keys: list[str] = []

    def lose_the_first_answer(route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
            return
        route.fetch()
        route.abort()

    page.route(re.compile(r"/api/messages$"), lose_the_first_answer)
    text_contact(page, "Only once, please.")
    expect(composer(page).get_by_role("alert")).to_contain_text("cannot be reached")
    composer(page).get_by_role("button", name="Send").click()
    expect(composer(page).get_by_label("Message")).to_have_value("")
    expect(bubble(page, "Only once, please.")).to_contain_text("Delivered")
    assert len(keys) == 2 and keys[0] == keys[1]
    sent = system.call("GET", f"/api/messages?contact={contact.id}")["data"]
    assert [message["body"] for message in sent] == ["Only once, please."]


@pytest.mark.expects_failures
def test_the_timeline_goes_on_after_the_line_was_cut(page: Page, system: System, contact: Contact) -> None:
    page.route("**/api/events?*", lambda route: route.abort())
    open_contact(page, system, contact)
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_text("Reconnecting…")).to_be_visible()
    system.call("POST", f"/api/contacts/{contact.id}/tags", {"tags": ["while-away"]})
    page.unroute("**/api/events?*")
    expect(timeline.get_by_text("Live")).to_be_visible()
    expect(timeline.get_by_text("while-away")).to_be_visible()


@pytest.mark.expects_failures
def test_a_person_is_erased_after_being_told_what_goes_and_what_stays(page: Page, system: System) -> None:
    someone = system.create_contact(consents=[CONSENT])
    open_contact(page, system, someone)
    page.get_by_role("button", name="Erase this person").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be undone")
    expect(dialog).to_contain_text("Stays:")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("This person's data was erased.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("This person's data was erased.")).to_be_visible()
    expect(page.get_by_text(someone.name)).to_have_count(0)
