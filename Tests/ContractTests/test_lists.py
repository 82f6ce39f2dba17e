"""What holds for every list alike: walked both ways, filtered, counted, pinned while writes go on."""

import json
import uuid
from urllib.parse import quote, urlencode

import pytest

from test_access import filled, one_of_each

# What reads the log itself, with positions for cursors; and what is whole in every answer.
OTHERS = {"/api/events", "/api/diff", "/api/providers"}

# How far an endpoint's deliveries are, which goes on meanwhile.
STANDING = ["position", "waiting", "failures", "retry_at", "circuit"]


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Lists")[1]


@pytest.fixture(scope="module")
def ids(owner):
    made = one_of_each(owner)
    contact = f"/api/contacts/{made['contacts']}"
    owner.send("PATCH", contact, {"company": "Northwind"})
    owner.post(contact + "/tags", {"tags": ["a", "b"]})
    owner.made("/api/contacts", {"first_name": "Bob", "email": f"{uuid.uuid4().hex}@example.com"})
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    owner.made("/api/wallet/add-funds", {"amount": 6_000_000})
    owner.made("/api/templates", {"name": "T", "channel": "sms", "body": "Hi"})
    head = owner.get("/api/events?after=now").json["next"]
    for model in ["/api/contacts", "/api/messages", "/api/audit/events", "/api/segments",
                  "/api/campaigns", "/api/wallet/transactions"]:
        assert owner.get(model, Min_Position=head).status == 200
    return made


def lists(operations):
    """The operations that answer a list, with the schema of their query parameters."""
    for method, path, operation in operations:
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        whole = schema.get("schema", {})
        reference = whole.get("anyOf", [whole])[0].get("$ref", "")
        if method == "GET" and reference.endswith("Page") and path not in OTHERS:
            yield path, {p["name"]: p for p in operation["parameters"] if p["in"] != "path"}


def shown(body: dict) -> list[str]:
    """The items as texts, without what goes on by itself: an account's own time, a webhook's standing."""
    texts = []
    for item in body["data"]:
        moving = STANDING if item["object"] == "webhook_endpoint" else ["now"]
        texts.append(json.dumps({k: v for k, v in item.items() if k not in moving}, sort_keys=True))
    return texts


def walk(owner, path: str, query: dict, back: bool = False) -> list[str]:
    """The list in steps of one, from its end where `back`."""
    seen, pins, place = [], set(), {}
    while True:
        page = owner.get(f"{path}?{urlencode(query | {'limit': 1} | place)}")
        assert page.status == 200, page.text
        body = page.json
        seen += shown(body)
        pins.add(body["as_of"])
        follow = body["previous"] if back else body["next"]
        if follow is None:
            assert len(pins) == 1, "all pages are of one position"
            return seen
        place = {"before" if back else "after": follow}


def test_every_list_takes_what_lists_take(operations):
    found = list(lists(operations))
    assert len(found) > 25
    for path, parameters in found:
        for name in ["limit", "after", "before", "sort", "filter", "count", "fields", "expand"]:
            assert name in parameters, f"{path} lacks {name}"


def test_every_list_is_the_same_in_any_step_in_both_directions(owner, ids, operations):
    longer = 0
    for path, parameters in lists(operations):
        if path == "/api/projections":
            continue  # Where each of them is changes all the time.
        path = filled(path, ids)
        needed = {n: p["schema"]["enum"][0] for n, p in parameters.items() if p["required"]}
        # The audit and the request log grow with every look at them: as they were at one moment.
        query = needed | ({"status": 201} if "request-logs" in path else {})
        whole = owner.get(f"{path}?{urlencode(query | {'count': 'exact'})}")
        if whole.status == 404:
            continue  # Nobody made one of these here.
        assert whole.status == 200, whole.text
        items = shown(whole.json)
        assert whole.json["total"] == len(items), path
        assert walk(owner, path, query) == items, path
        order = parameters["sort"]["schema"]["items"]["enum"]
        assert len(order) >= 2, path
        longer += len(items) > 1
        if len(items) > 1:
            second = owner.get(f"{path}?{urlencode(query | {'limit': 1})}").json["next"]
            after = owner.get(f"{path}?{urlencode(query | {'after': second, 'limit': 200})}").json
            assert after["previous"] is not None
            before = {"before": after["previous"], "limit": 200}
            first = owner.get(f"{path}?{urlencode(query | before)}").json
            assert shown(first) == items[:1], path
            assert first["previous"] is None and first["next"] is not None
        turned = order[1]
        other = owner.get(f"{path}?{urlencode(query | {'sort': turned, 'limit': 200})}").json
        assert shown(other) == items[::-1], f"{path} {turned}"
    assert longer >= 8


def test_the_grammar_of_segments_filters_every_list(owner, ids, operations):
    for path, parameters in lists(operations):
        if "required" in path or any(p["required"] for p in parameters.values()):
            continue
        target = filled(path, ids)
        odd = json.dumps({"field": "no_such_field", "op": "eq", "value": 1})
        answer = owner.get(f"{target}?filter={quote(odd)}")
        assert answer.status == 404 or answer.code == "invalid_filter", path
        whole = owner.get(f"{target}?limit=200")
        if whole.status != 200 or not whole.json["data"] or "request-logs" in path:
            continue
        item = whole.json["data"][0]
        if "id" not in item or path == "/api/contacts" or path.endswith("{id}/contacts"):
            continue
        one = json.dumps({"field": "id", "op": "eq", "value": item["id"]})
        page = owner.get(f"{target}?count=exact&filter={quote(one)}").json
        assert [found["id"] for found in page["data"]] == [item["id"]] and page["total"] == 1, path
        none = json.dumps({"not": {"any": [json.loads(one), {"field": "id", "op": "ne", "value": "x"}]}})
        assert owner.get(f"{target}?filter={quote(none)}").json["data"] == [], path


def test_a_filter_goes_into_objects_and_knows_times(owner, ids):
    def names(filter) -> list[str]:
        return [s["name"] for s in owner.get(f"/api/segments?filter={quote(json.dumps(filter))}").json["data"]]

    assert names({"field": "name", "op": "eq", "value": "all"}) == ["All"]
    assert names({"field": "created_at", "op": "in_last", "value": "1d"}) == ["All"]
    assert names({"field": "created_at", "op": "older_than", "value": "1d"}) == []
    assert names({"field": "created_at", "op": "gt", "value": "2001-01-01T00:00:00+02:00"}) == ["All"]
    assert names({"field": "filter.field", "op": "eq", "value": "first_name"}) == ["All"]
    money = {"field": "amount.amount", "op": "gt", "value": 5_500_000}
    found = owner.get(f"/api/wallet/transactions?filter={quote(json.dumps(money))}").json["data"]
    assert [line["amount"]["amount"] for line in found] == [6_000_000]


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "name", "-name"])
def test_pages_neither_repeat_nor_skip_while_writes_go_on(new_account, sort):
    _, owner, _ = new_account("Busy")
    made = [owner.post("/api/contacts", {"first_name": f"N{n}"}) for n in range(6)]
    fresh = {"Min_Position": made[-1].headers["log-position"]}
    seen, place = [], ""
    for step in range(10):
        page = owner.get(f"/api/contacts?sort={sort}&limit=2{place}", **fresh).json
        seen += [contact["id"] for contact in page["data"]]
        if page["next"] is None:
            break
        place = f"&after={page['next']}"
        # Somebody comes in front, somebody at the end, and one of the list changes its name.
        for name in ["A", "Z"]:
            owner.post("/api/contacts", {"first_name": f"{name}{step}"})
        moved = made[(step * 5) % 6].json["id"]
        last = owner.send("PATCH", f"/api/contacts/{moved}", {"first_name": ["Zz", "Aa"][step % 2]})
        fresh = {"Min_Position": last.headers["log-position"]}
    assert sorted(seen) == sorted(contact.json["id"] for contact in made)


def test_a_cursor_is_good_for_its_own_list_alone(owner, ids, new_account):
    _, stranger, _ = new_account("Stranger")
    for number in range(2):
        stranger.made("/api/contacts", {"first_name": f"S{number}"})
    cursor = owner.get("/api/contacts?limit=1").json["next"]
    assert owner.get(f"/api/contacts?after={cursor}").status == 200
    for client, path in [
        (owner, f"/api/messages?after={cursor}"), (stranger, f"/api/contacts?after={cursor}"),
        (owner, f"/api/contacts?sort=name&after={cursor}"), (owner, "/api/contacts?after=nonsense"),
        (owner, f"/api/contacts?tag=vip&after={cursor}"),
        (owner, f"/api/contacts?after={cursor}&before={cursor}"),
    ]:
        answer = client.get(path)
        assert (answer.status, answer.code) == (400, "invalid_cursor"), path
    parts = cursor.split("_")
    late = "_".join([parts[0], "zzzzzzzz", *parts[2:]])
    assert owner.get(f"/api/contacts?after={late}").code == "cursor_expired"


def hostile(cursor: str) -> list[str]:
    """The same cursor of moments and places that nobody ever had."""
    parts = cursor.split("_")
    least, most = "-1y2p0ij32e8e8", "1y2p0ij32e8e7"  # In base 36, of 64 bits.
    found = ["_".join([*parts[:2], moment, parts[3]]) for moment in [least, most, "-1y2p0ij32e8e7", "zzzzzzzzzz"]]
    found += ["_".join([*parts[:3], place]) for place in ["", "00", "ff", "-", "--", ".", "18446744073709551615"]]
    # The database's own places: what their numbers are, and ids and texts of no row.
    walked, *keys = parts[3].split("-")
    try:
        values = bytes.fromhex(walked).split(b"\xff")
    except ValueError:
        values = []
    for index in range(1, len(values)):
        for value in [b"-9223372036854775808", b"9223372036854775807", b"\0", b"+" * 32, b"+" + b"0" * 31, b""]:
            other = b"\xff".join([*values[:index], value, *values[index + 1:]]).hex()
            found.append("_".join([*parts[:3], "-".join([other, *keys])]))
    return found


def test_no_cursor_that_anybody_can_write_is_more_than_refused(owner, ids, operations):
    tried = 0
    for path, parameters in lists(operations):
        target = filled(path, ids)
        needed = {n: p["schema"]["enum"][0] for n, p in parameters.items() if p["required"]}
        names = parameters["sort"]["schema"]["items"]["enum"]
        for sort in [names[0], f"{names[0]},id" if "id" in names and names[0] not in ("id", "-id") else names[1]]:
            query = needed | {"limit": 1, "sort": sort}
            page = owner.get(f"{target}?{urlencode(query)}")
            if page.status != 200 or page.json["next"] is None:
                continue
            for cursor in hostile(page.json["next"]):
                for way in ["after", "before"]:
                    answer = owner.get(f"{target}?{urlencode(query | {way: cursor})}")
                    # A place may be read, and be one where nothing is; never a failure.
                    assert answer.status in (200, 400, 414), f"{path} {sort} {cursor}: {answer.text}"
                    assert answer.status != 400 or answer.code == "invalid_cursor", answer.text
                    tried += 1
    assert tried > 500


def test_the_count_of_a_history_is_of_the_moment_that_it_is_pinned_to(owner):
    made = owner.made("/api/contacts", {"first_name": "N0"})["id"]
    for number in range(1, 4):
        owner.send("PATCH", f"/api/contacts/{made}", {"first_name": f"N{number}"})
    for sort in ["position", "-position", "-position,id"]:
        page = owner.get(f"/api/contacts/{made}/history?limit=3&count=exact&sort={sort}").json
        owner.send("PATCH", f"/api/contacts/{made}", {"last_name": sort})
        rest = owner.get(f"/api/contacts/{made}/history?limit=3&count=exact&sort={sort}&after={page['next']}").json
        assert rest["total"] == page["total"]
        if rest["next"] is None:
            assert len(page["data"]) + len(rest["data"]) == page["total"]


def test_what_was_asked_is_on_record_with_what_followed(owner):
    done = owner.post("/api/contacts", {"first_name": "Traced"}, X_Actor_Reason="a test asked")
    event = owner.get(f"/api/contacts/{done.json['id']}/history").json["data"][0]
    assert event["data"]["actor_reason"] == "a test asked"
    request = done.headers["request-id"]
    assert event["correlation"] == request
    entry = owner.get(f"/api/request-logs/{request}", Min_Position=done.headers["log-position"]).json
    assert (entry["operation"], entry["status"]) == ("POST /api/contacts", 201)
    assert entry["consequences"][0]["id"] == done.json["events"][0]
    refused = owner.get("/api/contacts?nonsense=1")
    found = owner.get(f"/api/request-logs?status=400&limit=1").json["data"][0]
    assert (found["id"], found["code"]) == (refused.headers["request-id"], "unknown_parameter")


def test_what_is_taken_away_between_two_pages_is_on_the_later_one(new_account):
    owner = new_account("Lists and removals")[1]
    made = {
        "roles": lambda: owner.made("/api/roles", {"name": f"z{uuid.uuid4().hex}", "scopes": ["contacts:read"]}),
        "api-keys": lambda: owner.made("/api/api-keys", {"name": "k", "scopes": ["contacts:read"]}),
        "inbound-hooks": lambda: owner.made("/api/inbound-hooks", {
            "name": "F", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}}),
        "webhook-endpoints": lambda: owner.made(
            "/api/webhook-endpoints", {"url": "https://example.com/h", "types": ["campaign.created"]}),
    }
    for name, make in made.items():
        for _ in range(4):
            make()
        path = f"/api/{name}?limit=200" + ("&sort=id" if name != "roles" else "&sort=name")
        whole = [item["id"] for item in owner.get(path).json["data"]]
        first = owner.get(path.replace("limit=200", "limit=2")).json
        assert [item["id"] for item in first["data"]] == whole[:2]
        # One behind the cursor, one before it, and one that nobody saw.
        doomed = [i for i in whole if "_" in i and i.split("_")[0] in ("rol", "key", "hook", "whk")]
        for id in [doomed[-1], doomed[-2], make()["id"]]:
            assert owner.send("DELETE", f"/api/{name}/{id}").status == 200, name
        make()
        rest, place = [], first["next"]
        while place:
            page = owner.get(f"{path.replace('limit=200', 'limit=2')}&after={place}")
            assert page.status == 200, page.text
            rest += [item["id"] for item in page.json["data"]]
            place = page.json["next"]
        assert whole[:2] + rest == whole, name
        fresh = [item["id"] for item in owner.get(path).json["data"]]
        assert not {doomed[-1], doomed[-2]} & set(fresh), name


def test_what_was_taken_away_is_not_there_as_of_then(new_account):
    owner = new_account("As of removals")[1]
    made = {
        "roles": owner.made("/api/roles", {"name": "R", "scopes": ["contacts:read"]})["id"],
        "api-keys": owner.made("/api/api-keys", {"name": "k", "scopes": ["contacts:read"]})["id"],
        "inbound-hooks": owner.made("/api/inbound-hooks", {
            "name": "F", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}})["id"],
        "webhook-endpoints": owner.made(
            "/api/webhook-endpoints", {"url": "https://example.com/h", "types": ["campaign.created"]})["id"],
        "workflows": owner.made(
            "/api/workflows", {"source": "name: Gone\ntrigger: manual\nsteps:\n  - add_tag: x\n"})["id"],
    }
    before = owner.get("/api/events?after=now").json["next"]
    for name, id in made.items():
        path = f"/api/{name}/{id}"
        after = owner.send("DELETE", path).headers["log-position"]
        assert owner.get(f"{path}?as_of={before}").json["id"] == id, name
        assert owner.get(f"{path}?as_of={after}").status == 404, name


def test_a_page_of_large_objects_ends_earlier_and_the_next_goes_on_there(new_account):
    """Two hundred of half a megabyte are a hundred megabytes: a page has 8 MiB, and one object at least."""
    _, owner, _ = new_account("Large")
    custom = {f"field_{number}": "x" * 2_000 for number in range(195)}
    made = [
        owner.made("/api/contacts?wait=projection", {"first_name": f"{n % 3}", "custom": custom})["id"]
        for n in range(24)
    ]
    for query in ["", "sort=created_at,name", "sort=name,created_at", 'filter={"field":"first_name","op":"exists"}']:
        path = "/api/contacts?limit=200&" + quote(query, safe="=,&")
        pages = [owner.get(path)]
        while pages[-1].json["next"]:
            pages.append(owner.get(f"{path}&after={pages[-1].json['next']}"))
        assert all(page.status == 200 and len(page.text) < (9 << 20) for page in pages), query
        assert len(pages) == 2, query
        seen = [item["id"] for page in pages for item in page.json["data"]]
        assert sorted(seen) == sorted(made), query
        back = owner.get(f"{path}&before={pages[-1].json['previous']}").json
        assert [item["id"] for item in back["data"]] == [item["id"] for item in pages[0].json["data"]], query
