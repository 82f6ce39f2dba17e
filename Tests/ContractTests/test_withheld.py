"""What somebody was not given, or was taken from them, they do by no detour; and whoever tries is on record."""

import json
import time
import urllib.request
import uuid

import pytest

from test_access import colleague, key
from test_undo import statuses, undo


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Withheld")


@pytest.fixture(scope="module")
def owner(account):
    return account[1]


def caller(owner, *scopes: str):
    return owner.with_key(key(owner, scopes=list(scopes))["secret"])


# --- Workflows

STEPS = {
    "send_sms": ("  - send_sms: {body: Hi, purpose: transactional}\n", "messages"),
    "send_email": ("  - send_email: {subject: Hi, body: Hi}\n", "messages"),
    "add_tag": ("  - add_tag: converted\n", "contacts"),
    "in a branch": ("  - if: replied\n    then:\n      - remove_tag: vip\n", "contacts"),
}
BY_HAND = {"messages": "messages:create", "contacts": "contacts:update"}


def flow(steps: str, name: str | None = None) -> dict:
    return {"source": f"name: {name or uuid.uuid4().hex}\ntrigger: manual\nsteps:\n{steps}"}


@pytest.mark.parametrize("step", STEPS)
def test_a_workflow_takes_the_rights_of_its_steps(owner, step):
    steps, resource = STEPS[step]
    old = owner.made("/api/workflows", flow("  - wait: 1 day\n"))["id"]
    path = f"/api/workflows/{owner.made('/api/workflows', flow(steps))['id']}"

    def answers(client) -> list:
        contact = owner.made("/api/contacts", {"first_name": "Any"})["id"]
        return [
            client.post("/api/workflows", flow(steps)),
            client.post("/api/workflows?dry_run=true", flow(steps)),
            client.send("PUT", f"/api/workflows/{old}", flow(steps)),
            client.post(f"{path}/resume"),
            client.post(f"{path}/runs", {"contact": contact}),
        ]

    weak = caller(owner, "workflows:*", "undo:write")
    assert {(a.status, a.code) for a in answers(weak)} == {(403, "cannot_grant")}
    # Nor by taking back what made it harmless; as long as it is paused, nothing comes of that.
    harmless = owner.send("PUT", path, flow("  - wait: 1 day\n")).json["events"]
    assert statuses(undo(weak, {"events": harmless})) == [("workflow.published", "missing_scope")]
    assert weak.post(f"{path}/pause").status == 200
    assert statuses(undo(weak, {"events": harmless})) == [("workflow.published", "undone")]
    assert weak.post(f"{path}/resume").code == "cannot_grant"
    for right in [BY_HAND[resource], f"{resource}:automate", f"{resource}:write", f"{resource}:*"]:
        strong = caller(owner, "workflows:*", right)
        assert [a.status for a in answers(strong)] == [201, 200, 200, 200, 201], right
    # What stops takes no more than workflows' own.
    assert weak.post(f"{path}/pause").status == 200
    resumed = owner.post(f"{path}/resume").json["events"]
    assert statuses(undo(weak, {"events": resumed})) == [("workflow.resumed", "undone")]
    assert weak.send("DELETE", path).status == 200


def test_a_developer_has_workflows_do_what_they_may_not_by_hand(owner, nobody):
    _, email, password = colleague(owner, "developer")
    session = nobody.sign_in(email, password)
    contact = owner.made("/api/contacts", {"first_name": "Any"})["id"]
    scopes = session.get("/api/session").json["user"]["scopes"]
    assert {"messages:automate", "contacts:automate"} <= set(scopes)
    made = session.made("/api/workflows", flow(STEPS["send_sms"][0] + STEPS["add_tag"][0]))
    assert session.post(f"/api/workflows/{made['id']}/runs", {"contact": contact}).status == 201
    by_hand = [
        session.post("/api/messages", {"contact": contact, "body": "Hi", "purpose": "transactional"}),
        session.post(f"/api/contacts/{contact}/tags", {"tags": ["x"]}),
    ]
    assert {(a.status, a.code) for a in by_hand} == {(403, "missing_scope")}


# --- To create, to change, to take away


def test_who_may_only_create_workflows_changes_none(owner):
    name = uuid.uuid4().hex
    made = owner.made("/api/workflows", flow("  - wait: 1 day\n", name))
    creator = caller(owner, "workflows:create")
    answer = creator.post("/api/workflows", flow("  - wait: 2 days\n", name))
    assert (answer.status, answer.code) == (403, "cannot_grant"), answer.text
    assert len(owner.get(f"/api/workflows/{made['id']}/history").json["data"]) == 1
    other = uuid.uuid4().hex
    assert creator.post("/api/workflows", flow("  - wait: 2 days\n", other)).status == 201
    assert creator.post("/api/workflows", flow("  - wait: 3 days\n", other)).code == "cannot_grant"
    both = caller(owner, "workflows:create", "workflows:update")
    assert both.made("/api/workflows", flow("  - wait: 2 days\n", name))["latest_version"] == 2


def test_a_deactivation_is_a_deletion_by_either_way(owner):
    user, _, _ = colleague(owner, "sales_representative")
    path = f"/api/users/{user}"
    changes = caller(owner, "users:update")
    for body in [{"active": False}, {"active": False, "name": "B"}]:
        answer = changes.send("PATCH", path, body)
        assert (answer.status, answer.code) == (403, "missing_scope"), answer.text
    assert changes.send("DELETE", path).code == "missing_scope"
    assert changes.send("PATCH", path, {"name": "Cam", "active": True}).code != "missing_scope"
    both = caller(owner, "users:update", "users:delete")
    assert both.send("PATCH", path, {"active": False}).json["active"] is False


# --- What is taken away while it is under way


def test_an_import_ends_with_the_key_that_ordered_it(new_account):
    _, owner, _ = new_account("Taken Away")
    made = key(owner, scopes=["contacts:*"])
    count = 40_000
    rows = "".join(f"c{number}@example.com\n" for number in range(count))
    request = urllib.request.Request(
        owner.base_url + "/api/contacts/import", data=b"email\n" + rows.encode(), method="POST",
        headers={
            "Authorization": f"Bearer {made['secret']}", "Content-Type": "text/csv",
            "Accept": "application/x-ndjson", "Idempotency-Key": uuid.uuid4().hex,
        })
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.readline())["object"] == "import_progress"
        assert owner.send("DELETE", f"/api/api-keys/{made['id']}").status == 200
        last = json.loads(answer.read().splitlines()[-1])
    assert last["error"]["code"] == "unauthorized", last
    book = owner.get("/api/events?types=contact.created", Accept="application/x-ndjson").text
    assert 200 <= len(book.splitlines()) < count


# --- On record


def test_an_attempt_to_make_oneself_more_is_on_record(new_account, nobody):
    _, owner, _ = new_account("Escalations")
    made = key(owner, scopes=["api_keys:*", "users:*", "roles:*", "contacts:create"])
    climber = nobody.with_key(made["secret"])
    user = {"email": f"{uuid.uuid4().hex}@example.com", "name": "X", "role": "administrator", "password": "a" * 12}
    attempts = {
        "PATCH /api/api-keys/{id}": climber.send("PATCH", f"/api/api-keys/{made['id']}", {"scopes": ["*"]}),
        "POST /api/users": climber.post("/api/users", user),
        "POST /api/roles": climber.post("/api/roles?dry_run=true", {"name": "All", "scopes": ["*"]}),
        "PUT /api/contacts": climber.send("PUT", "/api/contacts?key=email:ann@example.com", {"first_name": "A"}),
        # Once, and not a second time by the handler.
        "GET /api/contacts": climber.get("/api/contacts"),
    }
    assert {a.status for a in attempts.values()} == {403}
    found = []
    deadline = time.time() + 20
    while len(found) < len(attempts) and time.time() < deadline:
        found = owner.get("/api/events?types=org.access_refused").json["data"]
    told = sorted((e["data"]["operation"], e["data"]["reason"], e["data"]["actor"]) for e in found)
    actor = f"key:{made['id']}"
    assert told == sorted((name, a.code, actor) for name, a in attempts.items())


# --- A file, and what is asked about it


def form(file: str, **parts: str) -> tuple[bytes, str]:
    pieces = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts.items()]
    pieces.append(f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n{file}\r\n--b--\r\n')
    return "".join(pieces).encode(), "multipart/form-data; boundary=b"


def upload(owner, query: str, file: str, used: str | None = None, **parts: str):
    body, kind = form(file, **parts)
    key = used or uuid.uuid4().hex
    return owner.send("POST", f"/api/contacts/import{query}", body, Content_Type=kind, Idempotency_Key=key)


def test_no_part_of_a_form_makes_a_trial_the_real_thing(owner):
    before = owner.get("/api/events?after=now").json["next"]
    file = f"email\n{uuid.uuid4().hex}@example.com\n"
    for query, parts in [
        ("?dry_run=true", {"dry_run": "false"}), ("?dry_run=true&tags=a", {"tags": "b"}),
        ("?source=a&dry_run=true", {"source": "b"}),
    ]:
        answer = upload(owner, query, file, **parts)
        assert (answer.status, answer.code) == (400, "repeated_parameter"), answer.text
    body, kind = form(file, dry_run="true")
    twice = body.replace(b'--b--', b'--b\r\nContent-Disposition: form-data; name="dry_run"\r\n\r\nfalse\r\n--b--')
    answer = owner.post("/api/contacts/import", twice, Content_Type=kind)
    assert (answer.status, answer.code) == (400, "repeated_parameter"), answer.text
    for query, parts in [("?dry_run=true", {}), ("", {"dry_run": "true"}), ("?dry_run=true", {"tags": "b"})]:
        answer = upload(owner, query, file, **parts)
        assert answer.status == 200 and answer.json["dry_run"] is True, answer.text
    assert owner.get("/api/events?after=now").json["next"] == before


def test_an_import_waits_for_the_read_models(owner):
    email = f"{uuid.uuid4().hex}@example.com"
    rows = f"email\n{email}\n".encode()
    done = owner.post("/api/contacts/import?wait=projection", rows, Content_Type="text/csv")
    assert done.status == 200, done.text
    assert int(done.headers["read-position"]) >= int(done.headers["log-position"])
    assert len(owner.get(f"/api/contacts?email={email}").json["data"]) == 1
    email = f"{uuid.uuid4().hex}@example.com"
    lines = owner.post(
        "/api/contacts/import?wait=projection", f"email\n{email}\n".encode(), Content_Type="text/csv",
        Accept="application/x-ndjson").text.splitlines()
    assert json.loads(lines[-1])["object"] == "import"
    assert len(owner.get(f"/api/contacts?email={email}").json["data"]) == 1


@pytest.mark.parametrize("trial", [("?dry_run=true", {}), ("", {"dry_run": "true"})])
def test_the_trial_of_an_import_knows_a_used_key(owner, trial):
    query, parts = trial
    used, file = uuid.uuid4().hex, f"email\n{uuid.uuid4().hex}@example.com\n"
    assert upload(owner, "", file, used).status == 200
    other = upload(owner, query, "email\nother@example.com\n", used, **parts)
    assert (other.status, other.code) == (409, "idempotency_mismatch"), other.text
    same = upload(owner, query, file, used, **parts)
    assert same.status == 200 and same.json["events"] == [], same.text
    assert same.headers["idempotent-replayed"] == "true"


# --- Limits


def test_a_key_has_no_more_than_its_account_has_by_now(new_account, nobody, operator):
    account, owner, _ = new_account("Braked", rate_limit={"per_minute": 600, "burst": 1200})
    made = key(owner, scopes=["account:read"], rate_limit={"per_minute": 600, "burst": 1200})
    client = nobody.with_key(made["secret"])
    lower = {"rate_limit": {"per_minute": 1, "burst": 20}}
    assert operator.send("PATCH", f"/api/operator/accounts/{account}", lower).status == 200
    first = client.get("/api/limits")
    assert first.json["key"] == lower["rate_limit"] and first.headers["ratelimit-limit"] == "20"
    assert owner.get(f"/api/api-keys/{made['id']}").json["rate_limit"] == lower["rate_limit"]
    answers = [client.get("/api/limits").status for _ in range(24)]
    # A token a minute may have come meanwhile.
    assert answers[:19] == [200] * 19 and answers.count(429) >= 4, answers
    # Where the account has more again, so has the key.
    more = {"rate_limit": {"per_minute": 6000, "burst": 12000}}
    assert operator.send("PATCH", f"/api/operator/accounts/{account}", more).status == 200
    assert owner.get(f"/api/api-keys/{made['id']}").json["rate_limit"] == {"per_minute": 600, "burst": 1200}


# --- Undo


def test_an_undo_leaves_no_hook_with_a_secret_of_another_shape(owner):
    hook = owner.made("/api/inbound-hooks", {
        "name": "Form", "authentication": "standard_webhooks", "action": "lead", "mapping": {"email": "email"}})
    path = f"/api/inbound-hooks/{hook['id']}"
    changed = owner.send("PATCH", path, {"authentication": "hmac_sha256", "signature_header": "X-Sig", "name": "B"})
    assert changed.json["secret"], changed.text
    done = undo(owner, {"events": changed.json["events"], "edited_since": "restore"})
    assert set(statuses(done)) == {
        ("inbound_hook.updated", "secret_stays"), ("inbound_hook.secret_rotated", "secret_stays")}
    assert owner.get(path).json["authentication"] == "hmac_sha256"
    # What does not touch it is taken back as ever.
    renamed = owner.send("PATCH", path, {"name": "C"}).json["events"]
    assert statuses(undo(owner, {"events": renamed})) == [("inbound_hook.updated", "undone")]
    assert owner.get(path).json["name"] == "B"
