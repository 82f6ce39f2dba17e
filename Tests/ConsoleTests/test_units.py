"""The console's rules that need no server: bundled as they are, called in the browser that will run them."""

import random
import subprocess
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

SOURCE = Path(__file__).parents[2] / "console" / "src"
MODULES = {
    "sse": "api/sse",
    "days": "features/audit/days",
    "money": "ui/money",
    "dates": "ui/dates",
    "filter": "features/segments/filter",
    "verdict": "features/contact/verdict",
    "router": "app/router",
    "items": "features/contact/timelineItems",
}


@pytest.fixture(scope="module")
def call(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Evaluates JavaScript with the console's modules in `unit`."""
    folder = tmp_path_factory.mktemp("units")
    entry = folder / "entry.ts"
    entry.write_text("".join(f'export * as {name} from "{SOURCE / path}";\n' for name, path in MODULES.items()))
    subprocess.run(
        ["esbuild", str(entry), "--bundle", "--format=iife", "--global-name=unit", "--jsx=automatic",
         "--log-level=warning", f"--outfile={folder / 'units.js'}"],
        check=True,
        env={"PATH": "/usr/bin:/bin", "NODE_PATH": "/usr/share/nodejs"},
    )
    page = browser.new_page()
    page.add_script_tag(path=folder / "units.js")
    yield page.evaluate
    page.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_stream_gives_the_same_events_however_it_is_cut(call: Callable, seed: int) -> None:
    """Method: a seeded stream with all three line ends, comments and multi-line data, cut at random."""
    dice = random.Random(seed)
    end = dice.choice(["\n", "\r\n", "\r"])
    events = [(str(n), "\n".join(f"line {n} {k}: é" for k in range(dice.randint(1, 3)))) for n in range(1, 9)]
    lines = [": hello", ""]
    for number, data in events:
        lines += [f"id: {number}", *(f"data: {line}" for line in data.split("\n")), ": a comment", ""]
    # The last line's end is only known to be one when something follows.
    text = end.join(lines) + end + ": more"
    cuts = sorted(dice.randrange(len(text)) for _ in range(dice.randint(0, 30)))
    chunks = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)])]
    found = call("(chunks) => { const p = new unit.sse.StreamParser(); return chunks.flatMap((c) => p.push(c)); }", chunks)
    assert [(event["id"], event["data"]) for event in found] == events


@pytest.mark.parametrize("zone", ["America/New_York", "America/Phoenix", "Pacific/Honolulu", "Asia/Kolkata", "UTC"])
def test_a_day_begins_when_its_zone_says_so(call: Callable, zone: str) -> None:
    first = date(2026, 1, 1)
    for offset in range(0, 366):
        day = first + timedelta(days=offset)
        expected = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
        found = call("([day, zone]) => unit.days.startOfDay(day, zone)", [day.isoformat(), zone])
        assert datetime.fromisoformat(found.replace("Z", "+00:00")) == expected


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("50", 50_000_000), ("12.5", 12_500_000), ("$1,250.00", 1_250_000_000), (" 0.01 ", 10_000),
        ("0", None), ("-5", None), ("1.005", None), ("", None), ("a lot", None), ("1e3", None),
    ],
)
def test_an_amount_is_read_to_the_cent_or_not_at_all(call: Callable, text: str, micros: int | None) -> None:
    assert call("(text) => unit.money.parseDollars(text)", text) == micros


@pytest.mark.parametrize(
    ("micros", "precision", "text"),
    [
        (7_900, "exact", "$0.0079"), (25_000_000, "exact", "$25.00"), (24_999_999, "cents", "$24.99"),
        (-1, "cents", "-$0.01"), (7_900, "ledger", "$0.0079"), (1_234_500_000, "ledger", "$1,234.5000"),
    ],
)
def test_money_is_never_rounded_up(call: Callable, micros: int, precision: str, text: str) -> None:
    money = {"amount": micros, "unit": "usd_micro"}
    assert call("([money, precision]) => unit.money.formatMoney(money, precision)", [money, precision]) == text


def test_days_are_named_in_the_zone_that_is_asked_about(call: Callable) -> None:
    now = datetime(2026, 11, 21, 7, 30, tzinfo=timezone.utc).timestamp() * 1000
    name = "([at, zone, now]) => unit.dates.nameDay(at, zone, now)"
    assert call(name, ["2026-11-21T07:10:00Z", "America/Los_Angeles", now]) == "Today"
    assert call(name, ["2026-11-21T08:10:00Z", "America/Los_Angeles", now]) == "Tomorrow"
    assert call(name, ["2026-11-21T08:10:00Z", "UTC", now]) == "Today"
    assert call(name, ["2026-11-19T23:59:00Z", "UTC", now]) == "19 Nov 2026"


def test_a_draft_becomes_a_filter_only_when_it_is_complete(call: Callable) -> None:
    def row(**values: str) -> dict:
        return {"field": "tags", "customName": "", "op": "contains", "value": "", **values}

    def filter_of(*rows: dict) -> dict | None:
        return call("(rows) => unit.filter.filterOf({ match: 'any', rows })", list(rows))

    assert filter_of(row()) is None
    assert filter_of(row(value="vip"), row()) is None
    assert filter_of(row(value=" vip ")) == {"any": [{"field": "tags", "op": "contains", "value": "vip"}]}
    assert filter_of(row(field="custom", op="gt", value="3")) is None
    assert filter_of(row(field="custom", customName="visits", op="gt", value="3")) == {
        "any": [{"field": "custom.visits", "op": "gt", "value": 3}]
    }
    assert filter_of(row(field="phone", op="exists")) == {"any": [{"field": "phone", "op": "exists", "value": True}]}


def test_a_draft_speaks_the_whole_grammar(call: Callable) -> None:
    """Groups within groups, what happened, times that pass, and what is not."""
    def row(**values: str) -> dict:
        return {"field": "tags", "customName": "", "op": "contains", "value": "", **values}

    draft = {
        "match": "all",
        "rows": [
            {"event": "message.received", "op": "gte", "count": "2", "within": "30d"},
            {"event": "message.opened", "op": "eq", "count": "0", "within": ""},
            row(field="created_at", op="in_last", value="12h"),
            row(field="created_at", op="gte", value="2026-11-01"),
            row(field="custom", customName="renewal", op="in_next", value="7d"),
            row(op="lacks", value="vip"),
            row(field="email", op="missing"),
            {"match": "none", "rows": [row(field="consent.sms", op="eq", value="opted_out"),
                                       {"match": "any", "rows": [row(value="a"), row(value="b")]}]},
        ],
    }
    tag = lambda value: {"field": "tags", "op": "contains", "value": value}
    assert call("(d) => unit.filter.filterOf(d)", draft) == {"all": [
        {"event": "message.received", "op": "gte", "count": 2, "within": "30d"},
        {"event": "message.opened", "op": "eq", "count": 0},
        {"field": "created_at", "op": "in_last", "value": "12h"},
        {"field": "created_at", "op": "gte", "value": "2026-11-01T00:00:00Z"},
        {"field": "custom.renewal", "op": "in_next", "value": "7d"},
        {"not": tag("vip")},
        {"field": "email", "op": "exists", "value": False},
        {"not": {"any": [{"field": "consent.sms", "op": "eq", "value": "opted_out"},
                         {"any": [tag("a"), tag("b")]}]}},
    ]}
    for broken in ({"event": "message.received", "op": "gte", "count": "", "within": "30d"},
                   {"event": "message.received", "op": "gte", "count": "1", "within": "d"},
                   row(field="created_at", op="in_last", value="soon"),
                   {"match": "any", "rows": []}):
        assert call("(d) => unit.filter.filterOf(d)", {"match": "all", "rows": [broken]}) is None


def test_what_happened_and_when_reads_as_a_sentence(call: Callable) -> None:
    happened = {"event": "message.received", "op": "gte", "count": 2, "within": "30d"}
    recent = {"field": "created_at", "op": "in_last", "value": "1d"}
    assert call("(f) => unit.filter.describeFilter(f)", {"all": [happened, recent]}) == (
        "Wrote to us at least 2 times in the last 30 days and Added in the last 1 day"
    )


def test_a_filter_reads_as_a_sentence(call: Callable) -> None:
    nested = {
        "all": [
            {"field": "tags", "op": "contains", "value": "vip"},
            {"any": [
                {"field": "consent.sms", "op": "eq", "value": "opted_in"},
                {"not": {"field": "custom.visits", "op": "gte", "value": 3}},
            ]},
        ]
    }
    assert call("(f) => unit.filter.describeFilter(f)", nested) == (
        "Tags include vip and (SMS consent is opted in or not (visits is at least 3))"
    )


STOP = {
    "id": "evt_1", "kind": "message", "type": "message.received", "position": 10, "occurred_at": "2026-03-03T18:00:00Z",
    "message": {"id": "msg_1", "direction": "inbound", "body": "stop "},
}
OPTED_OUT = {
    "id": "evt_2", "kind": "consent", "type": "contact.opted_out", "position": 11, "occurred_at": "2026-03-03T18:00:00Z",
}


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        ({"outcome": "allowed"}, "May be texted"),
        ({"outcome": "refused", "reason": "revoked"}, "Opted out by STOP on 3 Mar 2026"),
        ({"outcome": "refused", "reason": "no_consent"}, "No consent to text on record"),
        ({"outcome": "refused", "reason": "a_new_reason"}, "A new reason"),
        (
            {"outcome": "held", "reason": "quiet_hours", "until": "2026-03-05T16:00:00.000Z",
             "facts": {"zones": [
                 {"zone": "America/New_York", "next_open": "2026-03-05T13:00:00.000Z"},
                 {"zone": "America/Los_Angeles", "next_open": "2026-03-05T16:00:00.000Z"},
             ]}},
            "Quiet hours there until 08:00 tomorrow (PST)",
        ),
        (
            {"outcome": "held", "reason": "quiet_hours", "until": "2026-03-05T16:00:00.000Z"},
            "Quiet hours until 11:00 EST",
        ),
    ],
)
def test_a_verdict_is_said_in_words(call: Callable, verdict: dict, title: str) -> None:
    context = {
        "contact": {"consent": {"sms": {"status": "opted_out", "since": "2026-03-03T18:00:00Z"}}},
        "entries": [OPTED_OUT, STOP],
        "orgZone": "America/New_York",
        "nowMillis": datetime(2026, 3, 4, 20, 0, tzinfo=timezone.utc).timestamp() * 1000,
    }
    assert call("([v, c]) => unit.verdict.describeVerdict(v, c).title", [verdict, context]) == title


def test_an_opt_out_without_a_word_names_none(call: Callable) -> None:
    assert call("(entries) => unit.verdict.optOutWord(entries)", [OPTED_OUT]) is None
    later = {**STOP, "position": 40}
    assert call("(entries) => unit.verdict.optOutWord(entries)", [later, OPTED_OUT]) is None


def test_a_message_stays_where_it_began_and_a_step_that_names_it_is_a_step(call: Callable) -> None:
    def entry(position: int, kind: str, status: str) -> dict:
        message = {"id": "msg_1", "direction": "outbound", "status": status}
        return {"id": f"evt_{position}", "kind": kind, "position": position, "occurred_at": f"t{position}", "message": message}

    entries = [entry(5, "message", "sent"), entry(4, "workflow", "sent"), entry(3, "message", "queued"), OPTED_OUT]
    items = call("(entries) => unit.items.timelineItems(entries)", entries)
    assert [item.get("id", "group") for item in items] == ["evt_4", "group", "evt_2"]
    assert items[1]["current"]["status"] == "sent"
    assert items[1]["occurred_at"] == "t3"


@pytest.mark.parametrize(
    ("url", "account", "path"),
    [
        ("/contacts", None, "/contacts"), ("/acc_1/contacts/con_2?q=a", "acc_1", "/contacts/con_2"),
        ("/acc_1", "acc_1", "/"), ("/", None, "/"), ("/contacts/", None, "/contacts"), ("/account", None, "/account"),
    ],
)
def test_an_address_names_account_and_path(call: Callable, url: str, account: str | None, path: str) -> None:
    place = call("(url) => { const p = unit.router.readPlace(url); return [p.account, p.path]; }", url)
    assert place == [account, path]
