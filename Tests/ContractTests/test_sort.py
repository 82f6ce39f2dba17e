"""Orders of several keys: any list, any directions, exact where rows are equal and while others write."""

import concurrent.futures
import json
import time
import uuid

import pytest

from test_lists import lists, shown
from test_access import filled, one_of_each


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Sorted")[1]


def value(item: dict, key: str):
    """What a list is sorted by, as anybody reads it off the object."""
    if key == "name" and "name" not in item:
        return " ".join(n for n in [item["first_name"], item["last_name"]] if n).lower()
    return item.get(key) if item.get(key) is not None else ""


def in_order(items: list[dict], sort: str) -> list[dict]:
    for word in reversed(sort.split(",")):
        items = sorted(items, key=lambda item: value(item, word.lstrip("-")), reverse=word.startswith("-"))
    return items


def walk(owner, target: str, limit: int, **headers) -> list[dict]:
    found, place = [], ""
    while True:
        page = owner.get(f"{target}&limit={limit}{place}", **headers)
        assert page.status == 200, page.text
        found += page.json["data"]
        if page.json["next"] is None:
            return found
        place = f"&after={page.json['next']}"


def tied(owner) -> str:
    """Contacts of which many came in one commit, so that their times are equal; the last position."""
    rows = [["Ann", "Bo", "", "ann"][n % 4] + f",{uuid.uuid4().hex}@example.com" for n in range(30)]
    csv = "first_name,email\n" + "\n".join(rows) + "\n"
    done = owner.send(
        "POST", "/api/contacts/import", csv.encode(), Content_Type="text/csv",
        Idempotency_Key=str(uuid.uuid4()))
    assert done.json["created"] == 30, done.text
    return done.headers["log-position"]


@pytest.fixture(scope="module")
def position(owner):
    tied(owner)
    time.sleep(0.01)
    return tied(owner)


ORDERS = [
    "-created_at,id", "created_at,-id", "-created_at,-id", "created_at,id", "name,-created_at,id", "-name,created_at",
    "name,-id", "-name,-id", "name,created_at,-id", "-created_at,name,id", "created_at,-name,-id", "id", "-id",
    "id,name", "-created_at,-name",
]


@pytest.mark.parametrize("sort", ORDERS)
def test_contacts_come_in_any_order_of_several_keys(owner, position, sort):
    fresh = {"Min_Position": position}
    everyone = owner.get("/api/contacts?limit=200", **fresh).json["data"]
    assert len(everyone) == 60 and len({c["created_at"] for c in everyone}) < 20, "many are equal in their time"
    # What no key decides is the list's own business: those have to be equal in all keys.
    keys = [word.lstrip("-") for word in sort.split(",")]
    expected = [[value(c, k) for k in keys] for c in in_order(everyone, sort)]
    for limit in [1, 7, 59, 60, 200]:
        found = walk(owner, f"/api/contacts?sort={sort}", limit, **fresh)
        assert [[value(c, k) for k in keys] for c in found] == expected, limit
        assert len({c["id"] for c in found}) == 60
        if limit == 7:
            second = owner.get(f"/api/contacts?sort={sort}&limit=1", **fresh).json["next"]
            rest = owner.get(f"/api/contacts?sort={sort}&limit=200&after={second}", **fresh).json
            assert [c["id"] for c in rest["data"]] == [c["id"] for c in found[1:]]
            ends = owner.get(f"/api/contacts?sort={sort}&limit=59", **fresh).json["next"]
            end = owner.get(f"/api/contacts?sort={sort}&limit=7&after={ends}", **fresh).json
            back = backwards(owner, sort, end["previous"])
            assert [c["id"] for c in back] == [c["id"] for c in found[:59]]


def backwards(owner, sort: str, place: str | None) -> list[dict]:
    found: list[dict] = []
    while place is not None:
        page = owner.get(f"/api/contacts?sort={sort}&limit=7&before={place}").json
        found, place = page["data"] + found, page["previous"]
    return found


@pytest.mark.parametrize("sort", ["-created_at,id", "-created_at,name,-id", "name,-created_at,id", "-id"])
def test_pages_of_several_keys_stay_exact_while_others_write(new_account, sort):
    _, owner, _ = new_account("Busy order")
    fresh = {"Min_Position": tied(owner)}
    first = owner.get(f"/api/contacts?sort={sort}&limit=4&count=exact", **fresh).json
    whole = owner.get(f"/api/contacts?sort={sort}&limit=200", **fresh).json["data"]
    seen, place = first["data"], first["next"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        writes = []
        while place is not None:
            # Some come, one of the list goes, another changes its name: the list is of the moment it began.
            writes += [pool.submit(owner.post, "/api/contacts", {"first_name": n}) for n in ["A", "Zz", "ann"]]
            writes.append(pool.submit(owner.send, "PATCH", f"/api/contacts/{whole[-1]['id']}", {"first_name": "Aa"}))
            writes.append(pool.submit(owner.send, "DELETE", f"/api/contacts/{whole[-2]['id']}"))
            page = owner.get(f"/api/contacts?sort={sort}&limit=4&after={place}").json
            assert page["as_of"] == first["as_of"]
            seen, place = seen + page["data"], page["next"]
        for write in writes:
            assert write.result().status in (200, 201, 404, 409), write.result().text
    assert [c["id"] for c in seen] == [c["id"] for c in whole]
    assert first["total"] == 30


def test_what_is_renamed_while_somebody_pages_is_neither_skipped_nor_repeated(new_account):
    _, owner, _ = new_account("Renames")
    names = ["b", "d", "f", "h", "k"]
    roles = {n: owner.made("/api/roles", {"name": n, "scopes": ["contacts:read"]})["id"] for n in names}
    page = owner.get("/api/roles?sort=name,id&limit=2").json
    seen = [r["name"] for r in page["data"]]
    # One that was not shown yet goes in front, one that was goes behind.
    owner.send("PATCH", f"/api/roles/{roles['h']}", {"name": "aa"})
    if seen[0] in roles:
        owner.send("PATCH", f"/api/roles/{roles[seen[0]]}", {"name": "zz"})
    while page["next"] is not None:
        page = owner.get(f"/api/roles?sort=name,id&limit=2&after={page['next']}").json
        seen += [r["name"] for r in page["data"]]
    assert [n for n in seen if n in names] == names and "zz" not in seen and "aa" not in seen
    keys = {n: owner.made("/api/api-keys", {"name": n, "scopes": ["contacts:read"]})["id"] for n in names}
    page = owner.get("/api/api-keys?sort=-name&limit=2").json
    seen = [k["name"] for k in page["data"]]
    assert owner.send("PATCH", f"/api/api-keys/{keys['b']}", {"name": "zz"}).status == 200
    while page["next"] is not None:
        page = owner.get(f"/api/api-keys?sort=-name&limit=2&after={page['next']}").json
        seen += [k["name"] for k in page["data"]]
    assert [n for n in seen if n in names] == names[::-1] and "zz" not in seen


def test_a_filter_and_a_count_go_with_several_keys(owner, position):
    anns = json.dumps({"field": "first_name", "op": "eq", "value": "ann"})
    target = f"/api/contacts?sort=-created_at,id&count=exact&filter={anns.replace(' ', '%20')}"
    page = owner.get(target + "&limit=3", Min_Position=position).json
    names = {c["first_name"].lower() for c in page["data"]}
    whole = walk(owner, target, 3, Min_Position=position)
    assert names == {"ann"} and page["total"] == len(whole)
    assert whole == in_order(whole, "-created_at,id")


def test_every_list_takes_several_keys(owner, operations):
    made = one_of_each(owner)
    owner.made("/api/templates", {"name": "T", "channel": "sms", "body": "Hi"})
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    head = owner.get("/api/events?after=now").json["next"]
    owner.get("/api/audit/events?limit=1", Min_Position=head)
    tried = 0
    for path, parameters in lists(operations):
        if path == "/api/projections" or "request-logs" in path:
            continue
        names = parameters["sort"]["schema"]["items"]["enum"]
        assert parameters["sort"]["explode"] is False
        target = filled(path, made)
        needed = "".join(f"{n}={p['schema']['enum'][0]}&" for n, p in parameters.items() if p["required"])
        others = [n for n in names if n.lstrip("-") != names[0].lstrip("-")]
        if not others:
            continue
        for second in others:
            sort = f"{names[1]},{second}"
            page = owner.get(f"{target}?{needed}sort={sort}&limit=200")
            if page.status == 404:
                break
            assert page.status == 200, f"{path} {sort}: {page.text}"
            items = page.json["data"]
            keys = [word.lstrip("-") for word in sort.split(",")]
            if path == "/api/suspected-opt-outs" or not all(k in i for i in items for k in keys if k != "name"):
                continue
            if "audit" in path:
                continue  # It grows with every look.
            assert [[value(i, k) for k in keys] for i in items] == [
                [value(i, k) for k in keys] for i in in_order(items, sort)], f"{path} {sort}"
            assert shown({"data": walk(owner, f"{target}?{needed}sort={sort}", 2)}) == shown(page.json), path
            tried += len(items) > 1
    assert tried > 12


def test_every_list_can_be_ordered_by_id_alone(new_account, operations):
    owner = new_account("By id")[1]
    made = one_of_each(owner)
    for name in ["Ben", "Cam"]:
        owner.made("/api/contacts", {"first_name": name})
    longer = 0
    for path, parameters in lists(operations):
        if "id" not in parameters["sort"]["schema"]["items"]["enum"] or "request-logs" in path:
            continue
        target = filled(path, made)
        needed = "".join(f"{n}={p['schema']['enum'][0]}&" for n, p in parameters.items() if p["required"])
        for sort in ["id", "-id"]:
            page = owner.get(f"{target}?{needed}sort={sort}&limit=200")
            if page.status == 404:
                continue
            assert page.status == 200, f"{path}: {page.text}"
            found = [item["id"] for item in page.json["data"]]
            assert found == sorted(found, reverse=sort == "-id"), f"{path} {sort}"
            longer += len(found) > 1
    assert longer > 12


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
def test_the_longest_names_have_pages_behind_them(new_account, letter):
    owner = new_account("Long names")[1]
    longest = letter * (2_000 // len(letter.encode()))
    made = [owner.post("/api/contacts", {"first_name": longest, "last_name": longest}) for _ in range(3)]
    fresh = {"Min_Position": made[-1].headers["log-position"]}
    for sort in ["-created_at,name", "name", "name,-created_at,id", "id,name", "created_at,-name,-id"]:
        assert len({c["id"] for c in walk(owner, f"/api/contacts?sort={sort}", 1, **fresh)}) == 3, sort
    name = letter * (190 // len(letter.encode()))
    for n in range(3):
        owner.made("/api/api-keys", {"name": f"{name}{n}", "scopes": ["contacts:read"]})
    for sort in ["name,created_at", "-created_at,name,id"]:
        found = walk(owner, f"/api/api-keys?sort={sort}", 1)
        assert [k["id"] for k in found] == [k["id"] for k in in_order(found, sort)]


def test_an_order_that_there_is_not_is_named_with_those_that_there_are(owner):
    def fault(path: str) -> dict:
        answer = owner.get(path)
        assert (answer.status, answer.code) == (400, "invalid_value"), answer.text
        (detail,) = answer.json["error"]["details"]
        assert detail["param"] == "sort"
        return detail["message"]

    stranger = fault("/api/contacts?sort=-created_at,shoe_size")
    assert '"shoe_size"' in stranger and "-created_at" in stranger and "name" in stranger and "id" in stranger
    assert "more than once" in fault("/api/contacts?sort=name,-name")
    assert '""' in fault("/api/contacts?sort=name,")
    assert '""' in fault("/api/contacts?sort=")
    assert '"+name"' in fault("/api/contacts?sort=%2Bname")


def test_a_cursor_is_of_one_order(owner, position):
    cursor = owner.get("/api/contacts?sort=-created_at,id&limit=1", Min_Position=position).json["next"]
    for sort in ["-created_at", "-created_at,-id", "-created_at,id,name", "id"]:
        assert owner.get(f"/api/contacts?sort={sort}&after={cursor}").code == "invalid_cursor", sort
    broken = cursor[:-4] + "zzzz"
    assert owner.get(f"/api/contacts?sort=-created_at,id&after={broken}").code == "invalid_cursor"


def test_a_search_takes_what_the_list_takes(owner, position):
    def search(body: dict, **headers):
        return owner.send("POST", "/api/contacts/search", body, Min_Position=position, **headers)

    for more in [
        {"sort": "-created_at,id", "limit": 5}, {"sort": ["name", "-id"], "limit": 5, "count": "exact"},
        {"fields": ["id", "email"], "limit": 3, "sort": "id"}, {"fields": "id,tags", "sort": "-id"},
        {"expand": ["account"], "limit": 2, "sort": "id"}, {"expand": "account", "fields": ["account"], "sort": "id"},
        {"archived": True}, {"as_of": position, "limit": 1},
    ]:
        query = "&".join(
            f"{k}={','.join(v) if isinstance(v, list) else str(v).lower() if isinstance(v, bool) else v}"
            for k, v in more.items())
        got, found = owner.get(f"/api/contacts?{query}", Min_Position=position).json, search(more).json
        for body in [got, found]:
            for name in ["next", "previous"]:
                body[name] = body[name] is not None  # A cursor is of its own list.
            body.pop("as_of")
            for item in body["data"]:
                if isinstance(item.get("account"), dict):
                    item["account"].pop("now")
        assert found == got, more
    assert set(search({"fields": ["id", "email"], "limit": 1}).json["data"][0]) == {"id", "email"}
    assert search({"expand": "account", "limit": 1}).json["data"][0]["account"]["object"] == "account"

    seen, place = [], {}
    while True:
        page = search({"sort": "name,-created_at,id", "fields": ["id"], "limit": 11} | place).json
        seen += [c["id"] for c in page["data"]]
        if page["next"] is None:
            break
        place = {"after": page["next"]}
    listed = owner.get("/api/contacts?sort=name,-created_at,id&limit=200", Min_Position=position).json["data"]
    assert seen == [c["id"] for c in listed]

    lines = search({"sort": "name,-created_at,id", "fields": "id"}, Accept="application/x-ndjson")
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == seen

    wrong = search({"fields": ["id", "nope"], "sort": ["name", "shoe"], "expand": ["a.b.c.d.e"], "limit": 0, "odd": 1})
    assert wrong.status == 400
    assert {d["param"].partition("[")[0] for d in wrong.json["error"]["details"]} == {
        "fields", "sort", "limit", "odd"}
    assert "shoe" in search({"sort": "shoe"}).json["error"]["details"][0]["message"]
    assert search({"expand": ["a.b.c.d.e"]}).code == "out_of_range"
    assert search({"expand": "nothing_such"}).code == "unknown_parameter"
    assert search({"fields": ""}).status == 400
