import uuid

import pytest
from playwright.sync_api import Page, expect

from system import Contact, System


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_password_says_so_and_lets_one_try_again(visitor: Page, system: System) -> None:
    visitor.goto("/")
    sign_in(visitor, system.login, "not the password")
    expect(visitor.get_by_role("alert")).to_be_visible()
    expect(visitor.get_by_label("Email")).to_have_value(system.login)
    sign_in(visitor, system.login, system.password)
    expect(visitor.get_by_role("navigation", name="Main")).to_be_visible()


def test_signing_in_leads_to_the_address_that_was_asked_for(visitor: Page, system: System) -> None:
    visitor.goto(f"/{system.org}/wallet")
    sign_in(visitor, system.login, system.password)
    expect(visitor.get_by_role("heading", name="Wallet", level=1)).to_be_visible()


def test_signing_out_ends_the_session(visitor: Page, system: System) -> None:
    visitor.goto(f"/{system.org}/contacts")
    sign_in(visitor, system.login, system.password)
    visitor.get_by_role("button", name="Sign out").click()
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.goto(f"/{system.org}/contacts")
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.expects_failures
@pytest.mark.parametrize("scopes", [["contacts:read"], ["contacts:read", "wallet:read"], ["leads:write"]])
def test_whoever_may_do_little_is_let_in_and_asked_for_nothing_else(
    visitor: Page, system: System, contact: Contact, scopes: list[str]
) -> None:
    """Every refused request is on the account's record: the frame of the page asks for none."""
    name = f"Little {uuid.uuid4().hex}"
    role = system.call("POST", "/api/roles", {"name": name, "scopes": scopes})["id"]
    user = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse battery"}
    system.call("POST", "/api/users", user | {"name": "Lil Little", "role": role})
    refused: list[str] = []
    visitor.on("response", lambda r: refused.append(r.url) if r.status == 403 else None)
    visitor.goto("/contacts")
    sign_in(visitor, user["email"], user["password"])
    expect(visitor.get_by_text("Lil Little")).to_be_visible()
    expect(visitor.get_by_role("link", name="Wallet:")).to_have_count(int("wallet:read" in scopes))
    expect(visitor.get_by_role("button", name="Advance 1 day")).to_have_count(0)
    visitor.reload()
    expect(visitor.get_by_text("Lil Little")).to_be_visible()
    if "contacts:read" in scopes:
        expect(visitor.get_by_role("row").nth(1)).to_be_visible()
        assert refused == []
        visitor.goto(f"/contacts/{contact.id}")
        expect(visitor.get_by_role("heading", name="Timeline")).to_be_visible()
        expect(visitor.get_by_text("Reconnecting…")).to_have_count(0)
        assert [url for url in refused if "/api/events" in url] == []
    else:
        expect(visitor.get_by_text("You may not see this")).to_be_visible()
        assert {url.split("?")[0].split("/api/")[1] for url in refused} == {"contacts"}
    visitor.get_by_role("button", name="Sign out").click()
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_page_runs_under_a_policy_without_inline_scripts(visitor: Page) -> None:
    answer = visitor.goto("/contacts/anything")
    assert answer is not None and answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()
