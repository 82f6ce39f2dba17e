"""Mail as people see it: what the sandbox's mailboxes do shows in the console, and what is wrong with words is said."""

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from system import Contact, System, send

MAIL_CONSENT = {
    "channel": "email",
    "purpose": "marketing",
    "method": "web_form",
    "source": "browser tests",
    "wording": "Yes, you may mail me.",
}


@pytest.fixture(scope="module")
def mailing(system: System) -> Iterator[System]:
    """The system with an account at the sandbox's mail provider."""
    key = f"SG.{uuid.uuid4().hex}"
    hooks = f"{system.base_url}/webhooks/sendgrid/{system.org}"
    account, _ = send(
        "POST",
        f"{system.sandbox_url}/sandbox/mail-accounts",
        {"api_key": key, "event_url": f"{hooks}/events", "inbound_url": f"{hooks}/inbound?token=letter-box"},
    )
    system.call(
        "PUT",
        "/api/providers/email",
        {
            "provider": "sendgrid",
            "base_url": system.sandbox_url,
            "options": {"from": "hello@example.com", "webhook_public_key": account["public_key"]},
            "secrets": {"api_key": key, "inbound_token": "letter-box"},
        },
    )
    system.call("PUT", "/api/account/postal-address", {"postal_address": "1 Harbor Road, Duluth, MN 55802"})
    yield system
    system.call("DELETE", "/api/providers/email?forget=true")


def mail(system: System, contact: Contact) -> str:
    """Sends a marketing mail; its subject."""
    subject = f"News {uuid.uuid4().hex[:8]}"
    system.call(
        "POST",
        "/api/messages",
        {
            "contact": contact.id,
            "channel": "email",
            "purpose": "marketing",
            "subject": subject,
            "body": "Doors open at nine.",
            "html": '<p>Doors open at <a href="https://example.com/hours">nine</a>.</p>',
        },
    )
    return subject


def open_mail(page: Page, system: System, subject: str) -> None:
    page.goto(f"{system.sandbox_url}/mail")
    page.get_by_role("navigation", name="Mails").get_by_role("button").filter(has_text=subject).click()
    expect(page.get_by_role("heading", name=subject)).to_be_visible()


def consent(page: Page, status: str) -> None:
    expect(page.locator(f'.consent[data-channel="email"][data-status="{status}"]')).to_be_visible()


def test_a_bounce_in_the_mailbox_shows_on_the_contact(page: Page, mailing: System) -> None:
    person = mailing.create_contact(consents=[MAIL_CONSENT])
    subject = mail(mailing, person)
    page.goto(f"/{mailing.org}/contacts/{person.id}")
    item = page.locator(".message").filter(has_text=subject)
    expect(item).to_contain_text("Delivered")
    consent(page, "opted_in")
    open_mail(page, mailing, subject)
    expect(page.frame_locator("#body").get_by_text("1 Harbor Road")).to_be_visible()
    page.get_by_role("button", name="Bounce").click()
    expect(page.get_by_text("Bounced.", exact=True)).to_be_visible()
    page.goto(f"/{mailing.org}/contacts/{person.id}")
    expect(item).to_contain_text("Failed (bounced)")
    consent(page, "opted_out")


def test_an_answer_from_the_mailbox_is_in_the_conversation(page: Page, mailing: System) -> None:
    person = mailing.create_contact(consents=[MAIL_CONSENT])
    subject = mail(mailing, person)
    page.goto(f"/{mailing.org}/contacts/{person.id}")
    expect(page.locator(".message").filter(has_text=subject)).to_contain_text("Delivered")
    open_mail(page, mailing, subject)
    for text in ("Thank you, see you at nine.", "Hi,\nplease remove me from your list."):
        page.get_by_label("Text").fill(text)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Answered.", exact=True)).to_be_visible()
        expect(page.get_by_label("Text")).to_have_value("")
    page.goto(f"/{mailing.org}/contacts/{person.id}")
    answers = page.locator(".message-in").filter(has_text=f"Re: {subject}")
    expect(answers).to_have_count(2)
    expect(answers.filter(has_text="see you at nine")).to_be_visible()
    consent(page, "opted_out")


def test_what_is_wrong_with_a_template_is_said_where_it_is_written_and_launched(
    page: Page, mailing: System
) -> None:
    mark = uuid.uuid4().hex[:8]
    tag = f"words-{mark}"
    mailing.create_contact(consents=[MAIL_CONSENT], tags=[tag])
    page.goto(f"/{mailing.org}/templates")
    page.get_by_role("button", name="New template").first.click()
    dialog = page.get_by_role("dialog", name="New template")
    dialog.get_by_label("Name").fill(f"Words {mark}")
    dialog.get_by_label("Channel").select_option("email")
    dialog.get_by_label("Subject").fill("Re: your question")
    dialog.get_by_label("Text", exact=True).fill("Act now: https://bit.ly/abc")
    dialog.get_by_role("button", name="Create template").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name=f"Edit Words {mark}").click()
    editor = page.get_by_role("dialog", name=f"Edit Words {mark}")
    findings = editor.get_by_role("status").filter(has_text="bit.ly")
    expect(findings).to_contain_text("pretends to answer")
    expect(findings).to_contain_text("act now")
    editor.get_by_label("Subject").fill("Your question")
    editor.get_by_label("Text", exact=True).fill("Doors open at nine.")
    editor.get_by_role("button", name="Save as version 2").click()
    expect(editor).to_be_hidden()
    page.get_by_role("button", name=f"Edit Words {mark}").click()
    expect(page.get_by_role("dialog", name=f"Edit Words {mark}")).not_to_contain_text("bit.ly")

    segment = mailing.call(
        "POST",
        "/api/segments",
        {"name": f"For {tag}", "filter": {"all": [{"field": "tags", "op": "contains", "value": tag}]}},
    )
    campaign = mailing.call(
        "POST",
        "/api/campaigns",
        {
            "name": f"Launch {mark}",
            "segment": segment["id"],
            "channel": "email",
            "purpose": "marketing",
            "subject": "Doors",
            "body": "Hi {{custom.nickname}}, see https://bit.ly/abc",
        },
    )
    page.goto(f"/{mailing.org}/campaigns/{campaign['id']}")
    page.get_by_role("button", name="Launch").click()
    launch = page.get_by_role("dialog", name=f"Launch Launch {mark}?")
    expect(launch).to_contain_text("1 without a message")
    expect(launch).to_contain_text("custom.nickname: 1")
    expect(launch.get_by_role("status").filter(has_text="bit.ly")).to_be_visible()
    expect(launch.get_by_role("button", name="Launch without them")).to_be_enabled()
