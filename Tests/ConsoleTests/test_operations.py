"""Looking after the read models: where each one is, and a rebuild of one."""

import time

from playwright.sync_api import Page, expect

from system import System

READ_MODELS = ["analytics", "audit", "contacts", "segments", "timeline", "wallet"]


def test_every_read_model_is_shown_with_what_can_be_done(page: Page, system: System) -> None:
    page.goto(f"/{system.org}/contacts")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Operations").click()
    for name in READ_MODELS:
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))
        expect(row).to_contain_text("live")
        expect(row.get_by_role("button", name=f"Rebuild {name}")).to_be_enabled()


def test_a_rebuild_is_asked_for_and_comes_to_its_end(page: Page, system: System) -> None:
    before = read_model(system, "wallet")["built_at"]
    page.goto(f"/{system.org}/operations")
    page.get_by_role("button", name="Rebuild wallet").click()
    dialog = page.get_by_role("dialog", name="Rebuild wallet?")
    dialog.get_by_role("button", name="Rebuild", exact=True).click()
    expect(dialog).to_be_hidden()
    after = settled(system, "wallet")
    assert after["rebuild"]["state"] == "done"
    assert after["built_at"] > before
    assert after["position"] >= after["rebuild"]["head"] > 0
    expect(page.get_by_role("button", name="Rebuild wallet")).to_be_enabled()


def test_a_rebuild_can_be_stopped_and_changes_nothing(page: Page, system: System) -> None:
    """What is cancelled before a projector has begun it never begins; later it stops where it is."""
    before = read_model(system, "audit")["built_at"]
    system.call("POST", "/api/projections/audit/rebuild")
    system.call("DELETE", "/api/projections/audit/rebuild")
    after = settled(system, "audit")
    assert after["rebuild"]["state"] == "cancelled"
    assert after["built_at"] == before
    page.goto(f"/{system.org}/operations")
    expect(page.get_by_role("button", name="Rebuild audit")).to_be_enabled()


def read_model(system: System, name: str) -> dict:
    return next(each for each in system.call("GET", "/api/projections")["data"] if each["name"] == name)


def settled(system: System, name: str) -> dict:
    """The read model once nobody rebuilds it; a minute is a hang."""
    for _ in range(300):
        found = read_model(system, name)
        if found["rebuild"]["state"] not in ("requested", "running", "cancelling"):
            return found
        time.sleep(0.2)
    raise AssertionError(f"the rebuild of {name} does not end")
