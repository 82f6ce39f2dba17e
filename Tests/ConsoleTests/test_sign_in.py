from playwright.sync_api import Page, expect

from system import System


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


def test_the_page_runs_under_a_policy_without_inline_scripts(visitor: Page) -> None:
    answer = visitor.goto("/contacts/anything")
    assert answer is not None and answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    expect(visitor.get_by_role("heading", name="Sign in")).to_be_visible()
