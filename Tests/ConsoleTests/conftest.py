"""Browser tests of the console, in Debian's Chromium, against a running system.

DAYBOOK_DEMO_JSON names the file with the system's `base_url`, `sandbox_url`, `org`, `api_key`, `login` and
`password` (as `daybook up` writes it); without it only the tests of what needs no server run.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from system import CONSENT, Contact, System

DEMO_JSON = os.environ.get("DAYBOOK_DEMO_JSON")
CHROMIUM = "/usr/bin/chromium"
# Generous: the bound is on a hang, not on speed.
expect.set_options(timeout=15_000)

# Whoever opens the page signed out makes the browser note the 401 that says so.
SIGNED_OUT = re.compile(r"status of 401")
# What the browser notes of every answer that is none of success.
REFUSED = re.compile("Failed to load resource")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if DEMO_JSON is None:
        skip = pytest.mark.skip(reason="DAYBOOK_DEMO_JSON is not set: no system to test against")
        for item in items:
            if "system" in item.fixturenames:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def system() -> System:
    assert DEMO_JSON is not None
    running = System(**json.loads(Path(DEMO_JSON).read_text()))
    running.bring_daytime()
    return running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, system: System) -> dict:
    """A session's cookies, so that not every test has to sign in."""
    context = browser.new_context(base_url=system.base_url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Email").fill(system.login)
    page.get_by_label("Password").fill(system.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visitor(browser: Browser, system: System, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Somebody who has not signed in."""
    context = browser.new_context(base_url=system.base_url)
    disturbed = request.node.get_closest_marker("expects_failures")
    yield from watched_page(context, allowed=REFUSED if disturbed else SIGNED_OUT)


@pytest.fixture
def page(browser: Browser, system: System, signed_in: dict, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Somebody who has. `@pytest.mark.look(…)` chooses the browser's options, `expects_failures` the test's own
    disturbances."""
    look = request.node.get_closest_marker("look")
    context = browser.new_context(
        base_url=system.base_url, storage_state=signed_in, **(look.kwargs if look else {})
    )
    disturbed = request.node.get_closest_marker("expects_failures")
    yield from watched_page(context, allowed=REFUSED if disturbed else None)


def watched_page(context: BrowserContext, allowed: re.Pattern | None) -> Iterator[Page]:
    """A page that fails its test when the browser's console shows an error."""
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type in ("error", "warning") else None,
    )
    yield page
    context.close()
    unexpected = [error for error in errors if allowed is None or not allowed.search(error)]
    assert unexpected == []


@pytest.fixture
def contact(system: System) -> Contact:
    """Somebody new who may be texted."""
    return system.create_contact(consents=[CONSENT])


@pytest.fixture
def silent_contact(system: System) -> Contact:
    """Somebody new who has opted out."""
    created = system.create_contact(consents=[CONSENT])
    system.call("POST", f"/api/contacts/{created.id}/opt-outs", {"channel": "sms", "method": "staff"})
    return created
