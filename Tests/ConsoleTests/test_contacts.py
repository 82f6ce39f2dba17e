import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from system import Contact, System

PAGE_SIZE = 50


def rows(page: Page):
    return page.locator(".contacts-table tbody tr")


def open_contacts(page: Page, system: System, query: str = "") -> None:
    page.goto(f"/{system.org}/contacts{query}")
    expect(rows(page).first).to_be_visible()


def test_search_finds_while_typing_and_stays_in_the_address(
    page: Page, system: System, contact: Contact
) -> None:
    open_contacts(page, system)
    page.keyboard.press("/")
    expect(page.get_by_label("Search contacts")).to_be_focused()
    page.keyboard.type(contact.email.split("@")[0])
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text(contact.name)
    expect(page).to_have_url(re.compile(r"\?q="))
    page.reload()
    expect(rows(page)).to_have_count(1)


def test_a_search_without_results_offers_the_way_back(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts?q=nobody-is-called-this")
    expect(page.get_by_text("No contact matches.")).to_be_visible()
    page.get_by_role("link", name="Show everybody").click()
    expect(rows(page).first).to_be_visible()


def test_pages_go_forward_and_back_with_an_exact_count(page: Page, system: System) -> None:
    total = system.call("GET", "/api/contacts?limit=1&count=exact")["total"]
    assert total > PAGE_SIZE, "the demo org has too few contacts to page through"
    open_contacts(page, system)
    expect(rows(page)).to_have_count(PAGE_SIZE)
    pager = page.get_by_role("navigation", name="Pages")
    expect(pager).to_contain_text(f"1–{PAGE_SIZE} of {total:,}")
    first_name = rows(page).first.inner_text()
    page.get_by_role("button", name="Next").click()
    expect(pager).to_contain_text(f"{PAGE_SIZE + 1}–")
    assert rows(page).first.inner_text() != first_name
    page.reload()
    expect(pager).to_contain_text(f"{PAGE_SIZE + 1}–")
    page.get_by_role("button", name="Previous").click()
    expect(pager).to_contain_text(f"1–{PAGE_SIZE} of")
    assert rows(page).first.inner_text() == first_name


def test_the_keyboard_alone_opens_a_contact(page: Page, system: System) -> None:
    open_contacts(page, system)
    names = page.locator(".contacts-table .row-link")
    page.keyboard.press("j")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(names.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(names.nth(0)).to_be_focused()
    name = names.nth(0).inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_a_tag_filters(page: Page, system: System) -> None:
    tag = f"only-{uuid.uuid4().hex[:8]}"
    tagged = system.create_contact(tags=[tag])
    open_contacts(page, system)
    page.get_by_label("Filter by tag").first.fill(tag)
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text(tagged.name)
    page.get_by_role("button", name=f"Clear tag {tag}").click()
    expect(rows(page).nth(1)).to_be_visible()


@pytest.mark.expects_failures
def test_a_new_contact_is_checked_and_then_opened(page: Page, system: System, contact: Contact) -> None:
    open_contacts(page, system)
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="New contact")
    dialog.get_by_label("First name").fill("Maya")
    dialog.get_by_label("Phone").fill("12")
    dialog.get_by_role("button", name="Create contact").click()
    expect(dialog.get_by_label("Phone")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Phone").fill("")
    dialog.get_by_label("Email").fill(contact.email)
    dialog.get_by_role("button", name="Create contact").click()
    expect(dialog.get_by_role("link", name="Open that contact")).to_be_visible()
    dialog.get_by_label("Email").fill(f"new-{contact.email}")
    dialog.get_by_role("button", name="Create contact").click()
    expect(page.get_by_role("heading", name="Maya", level=1)).to_be_visible()


def test_a_csv_is_previewed_and_imported(page: Page, system: System, tmp_path: Path, contact: Contact) -> None:
    email = f"imported-{contact.email}"
    file = tmp_path / "people.csv"
    file.write_text(f"First Name,Last Name,Email\nImported,Person,{email}\nBroken,Line,not-an-email\n")
    open_contacts(page, system)
    page.get_by_role("button", name="Import CSV").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("CSV file").set_input_files(file)
    expect(dialog.get_by_role("region", name="Preview")).to_be_visible()
    dialog.get_by_role("button", name="Import 1 contact").click()
    result = page.get_by_role("dialog").get_by_role("region", name="Result")
    expect(result.get_by_text("Created").locator("..")).to_contain_text("1")
    expect(result.get_by_text("Failed").locator("..")).to_contain_text("1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the error file").click()
    assert download.value.suggested_filename == "import-errors.csv"
    page.get_by_role("button", name="Done").click()
    page.goto(f"/{system.org}/contacts?q={email}")
    expect(rows(page)).to_have_count(1)


@pytest.mark.expects_failures
def test_a_list_that_does_not_load_says_so_and_can_be_retried(page: Page, system: System) -> None:
    page.route("**/api/contacts?*", lambda route: route.abort())
    page.goto(f"/{system.org}/contacts")
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.unroute("**/api/contacts?*")
    page.get_by_role("button", name="Retry").click()
    expect(rows(page).first).to_be_visible()


@pytest.mark.expects_failures
def test_an_error_of_the_server_names_its_request(page: Page, system: System) -> None:
    error = {
        "type": "internal",
        "code": "internal",
        "message": "Something broke.",
        "request_id": "req_0123456789",
        "retryable": True,
    }
    page.route("**/api/contacts?*", lambda route: route.fulfill(status=500, json={"error": error}))
    page.goto(f"/{system.org}/contacts")
    expect(page.get_by_role("alert")).to_contain_text("req_0123456789")


@pytest.mark.expects_failures
def test_an_unknown_contact_and_an_unknown_address_say_so(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts/con_00000000000000000000000000")
    expect(page.get_by_role("alert")).to_contain_text("Not found")
    page.goto(f"/{system.org}/no-such-screen")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
