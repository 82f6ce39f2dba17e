"""What a compliance officer does: reads all that was sent and agreed to, and takes proof of it along."""

import csv
import io
import json
import subprocess
import tarfile
import time
import uuid
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from test_access import colleague, filled, guarded, one_of_each

VERIFIER = Path(__file__).parents[2] / "tools" / "verify" / "verify_bundle.py"


@pytest.fixture(scope="module")
def book(new_account, nobody):
    organisation, owner, _ = new_account("Audited")
    ids = one_of_each(owner)
    contact = f"/api/contacts/{ids['contacts']}"
    owner.post(contact + "/opt-outs", {"channel": "sms"})
    _, email, password = colleague(owner, "compliance_officer")
    return organisation, ids, nobody.sign_in(email, password)


def test_a_compliance_officer_reads_all_that_was_sent_and_agreed_to(book, operations):
    _, ids, officer = book
    # Money, the read models and how others are connected are not theirs.
    others = {"wallet", "payments", "projections", "webhook-endpoints", "inbound-hooks"}
    seen = set()
    for method, path, operation in guarded(operations):
        resource = path.split("/")[2]
        if method != "GET" or resource in others or (resource not in ids and "{" in path):
            continue
        if path.endswith("/download"):  # the owner's, in which credentials are open
            continue
        query = "".join(
            f"?{p['name']}={p['schema'].get('enum', ['1'])[0]}"
            for p in operation["parameters"] if p["in"] == "query" and p["required"]
        )
        answer = officer.get(filled(path, ids) + query)
        assert answer.status not in (401, 403), f"{path}: {answer.text[:200]}"
        seen.add(path)
    assert {
        "/api/messages", "/api/contacts/{id}/consents", "/api/suppressions", "/api/audit/events",
        "/api/suspected-opt-outs", "/api/contacts/{id}/timeline", "/api/events", "/api/campaigns",
    } <= seen


SCOPES = ["account", "contact", "message", "campaign", "number", "period"]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_can_be_taken_along_and_is_proven_without_us(scope, book, nobody, tmp_path):
    organisation, ids, officer = book
    asked = {
        "account": {}, "contact": {"contact": ids["contacts"]}, "message": {"message": ids["messages"]},
        "campaign": {"campaign": ids["campaigns"]}, "number": {"number": "+14155552671"},
        "period": {"from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"},
    }[scope]
    folder = taken(officer, {"scope": scope} | asked, tmp_path / scope)
    key = nobody.get(f"/.well-known/daybook/accounts/{organisation}/vkey").text.strip()
    assert verified(folder, key).returncode == 0, verified(folder, key).stderr
    lines = (folder / "readable" / "events.jsonl").read_text().splitlines()
    types = {json.loads(line)["type"] for line in lines}
    # With the mark by which a spreadsheet knows that names are UTF-8; a row an event, and no cell that is a formula.
    table = (folder / "readable" / "events.csv").read_bytes()
    assert table.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(lines) + 1 and {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    expected = {
        "account": "api_key.created", "contact": "contact.opted_out", "message": "message.planned",
        "campaign": "campaign.created", "number": "contact.opted_out", "period": "contact.created",
    }
    assert expected[scope] in types, types
    if scope in ("contact", "message", "number"):
        assert (folder / "evidence.pdf").read_bytes().startswith(b"%PDF-")
    # Whoever ordered it is on record.
    ordered = officer.get("/api/events?types=org.audit_exported&limit=200").json["data"][-1]
    assert ordered["actor"].startswith("user:") and ordered["data"]["scope"].startswith(scope)
    changed = folder / "openings" / "000.jsonl"
    changed.write_bytes(changed.read_bytes().replace(b'"', b"'", 1))
    assert verified(folder, key).returncode == 2


def ordered(officer, order: dict) -> dict:
    export = officer.made("/api/audit/exports", order, 202)
    deadline = time.time() + 60
    while export["status"] == "running":
        assert time.time() < deadline
        time.sleep(0.05)
        export = officer.get(f"/api/audit/exports/{export['id']}").json
    assert export["status"] == "completed", export
    return export


def taken(officer, order: dict, folder: Path) -> Path:
    export = ordered(officer, order)
    url = f"{officer.base_url}/api/audit/exports/{export['id']}/download"
    with urlopen(Request(url, headers=officer.headers), timeout=30) as answer:
        with tarfile.open(fileobj=io.BytesIO(answer.read())) as tar:
            tar.extractall(folder)
    return next(path.parent for path in folder.rglob("checkpoint"))


def verified(folder: Path, key: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["/usr/bin/python3", VERIFIER, folder, "--key", key], capture_output=True, text=True, check=False
    )


def test_a_tail_of_lines_goes_on_with_what_comes(new_account):
    _, owner, _ = new_account("Tailed")
    url = f"{owner.base_url}/api/events?after=now&follow=true&types=contact.created"
    headers = owner.headers | {"Accept": "application/x-ndjson"}
    with urlopen(Request(url, headers=headers), timeout=30) as tail:
        for name in ["First", str(uuid.uuid4())]:
            made = owner.made("/api/contacts", {"first_name": name})
            assert json.loads(tail.readline())["id"] == made["events"][0]


def test_an_export_that_opens_credentials_is_for_those_who_may_do_everything(new_account, nobody, tmp_path):
    _, owner, _ = new_account("Credentials")
    _, email, password = colleague(owner, "compliance_officer")
    officer = nobody.sign_in(email, password)

    everything, theirs = (ordered(client, {"scope": "account"}) for client in (owner, officer))
    assert (everything["opens_credentials"], theirs["opens_credentials"]) == (True, False)
    refused = officer.get(everything["download"])
    assert (refused.status, refused.json["error"]["code"]) == (403, "missing_scope")
    assert taken(officer, {"scope": "account"}, tmp_path / "theirs")
    assert taken(owner, {"scope": "account"}, tmp_path / "everything")
