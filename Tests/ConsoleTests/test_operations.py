"""Looking after the read models: where each one is, and a rebuild of one."""

import json
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
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
    recorded = page.request.get("/api/events?types=org.read_model_ordered&limit=200").json()["data"]
    assert recorded[-1]["data"] == {"order": "rebuild", "read_model": "wallet"}
    assert recorded[-1]["actor"].startswith("user:")
    expect(page.get_by_role("button", name="Rebuild wallet")).to_be_enabled()


def test_a_rebuild_can_be_stopped_and_changes_nothing(page: Page, system: System) -> None:
    """What is cancelled before a projector has begun it never begins; later it stops where it is."""
    before = read_model(system, "audit")["built_at"]
    session = {"X-CSRF-Token": page.request.get("/api/session").json()["csrf_token"]}
    assert page.request.post("/api/projections/audit/rebuild", headers=session).status == 202
    assert page.request.delete("/api/projections/audit/rebuild", headers=session).status == 202
    after = settled(system, "audit")
    assert after["rebuild"]["state"] == "cancelled"
    assert after["built_at"] == before
    page.goto(f"/{system.org}/operations")
    expect(page.get_by_role("button", name="Rebuild audit")).to_be_enabled()


def test_a_client_decides_nothing_about_what_is_everybodys(system: System) -> None:
    """Of the agency whose all accounts are, somebody may; of one of its clients nobody."""
    request = Request(f"{system.base_url}/api/projections/audit/rebuild", method="POST")
    request.add_header("Authorization", f"Bearer {system.api_key}")
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=30)
    assert (refused.value.code, json.load(refused.value)["error"]["code"]) == (403, "operator_only")


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
