"""Looking after the read models: where each one is, and a rebuild of one."""

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
    page.goto(f"/{system.org}/operations")
    page.get_by_role("button", name="Rebuild wallet").click()
    dialog = page.get_by_role("dialog", name="Rebuild wallet?")
    dialog.get_by_role("button", name="Rebuild", exact=True).click()
    expect(dialog).to_be_hidden()
    # Under way there is a way to stop it; afterwards it can be asked for again.
    expect(page.get_by_role("button", name="Rebuild wallet")).to_be_enabled(timeout=60_000)
    done = [each for each in system.call("GET", "/api/projections")["data"] if each["name"] == "wallet"]
    assert done[0]["rebuild"]["state"] == "done"
    assert done[0]["position"] >= done[0]["rebuild"]["head"] > 0


def test_a_rebuild_can_be_stopped_and_changes_nothing(page: Page, system: System) -> None:
    """What is cancelled before a projector has begun it never begins; later it stops where it is."""
    before = built_at(system)
    system.call("POST", "/api/projections/audit/rebuild")
    system.call("DELETE", "/api/projections/audit/rebuild")
    page.goto(f"/{system.org}/operations")
    expect(page.get_by_role("button", name="Rebuild audit")).to_be_enabled(timeout=60_000)
    assert built_at(system) == before


def built_at(system: System) -> str:
    found = [each for each in system.call("GET", "/api/projections")["data"] if each["name"] == "audit"]
    return found[0]["built_at"]
