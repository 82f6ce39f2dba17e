"""The API's reference page: readable and searchable in a browser, with nothing from elsewhere."""

from playwright.sync_api import Browser, expect

from system import System


def test_the_reference_finds_operations_and_codes(browser: Browser, system: System) -> None:
    context = browser.new_context(base_url=system.base_url)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.goto("/docs")
    sent, rotated = page.locator("#post_messages"), page.locator("[id*=rotate_secret]").first
    refused = page.locator("#error-idempotency_mismatch")
    for part in [sent, rotated, refused]:
        expect(part).to_be_visible()
    search = page.get_by_label("Search operations and codes")
    search.fill("rotate-secret")
    expect(rotated).to_be_visible()
    expect(sent).to_be_hidden()
    search.fill("idempotency_mismatch")
    expect(refused).to_be_visible()
    search.fill("")
    expect(sent).to_be_visible()
    assert problems == []
    context.close()
