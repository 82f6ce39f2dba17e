"""A bad tree is refused, a good one is not: one rule of tools/tidy a test."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

TIDY = Path(__file__).resolve().parents[2] / "tools" / "tidy"
loader = SourceFileLoader("tidy", str(TIDY))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)


def target(name, path, *dependencies, kind="regular"):
    return tidy.Target(name, kind, path, set(dependencies))


TARGETS = [
    target("CLMDB", "eventlog/CLMDB", kind="system"),
    target("LMDB", "eventlog/LMDB", "CLMDB"),
    target("EventLog", "eventlog/EventLog", "LMDB"),
    target("Domain", "Sources/Domain"),
    target("Application", "Sources/Application", "Domain", "EventLog"),
    target("API", "Sources/API", "Application"),
    target("daybook", "Sources/daybook", "API", kind="executable"),
]

GOOD = {
    "eventlog/LMDB/LMDB.swift": "import CLMDB\n",
    "eventlog/EventLog/EventLog.swift": "import LMDB\nimport Synchronization\n",
    "Sources/Domain/Wallet/Wallet.swift": "package enum Wallet {}\n",
    "Sources/Application/Gate.swift": "import Domain\nimport Foundation\n",
    "Sources/daybook/main.swift": "import API\n",
}


def findings(tmp_path, files, targets=TARGETS):
    for path, text in {**GOOD, **files}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tidy.check(tmp_path, targets)


def test_a_good_tree_has_no_findings(tmp_path):
    assert findings(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        ("Sources/API/A.swift", "import CLMDB\n", "only LMDB may import CLMDB"),
        ("eventlog/LMDB/More.swift", "import CLMDB\n", "touched in one file"),
        ("Sources/Domain/B.swift", "import Foundation\n", "Domain does without Foundation"),
        ("Sources/API/P.swift", "let name = url.path()\n", "say whether it is encoded"),
        ("eventlog/EventLog/C.swift", "import Foundation\n", "EventLog does without Foundation"),
        ("Sources/Domain/D.swift", "package import EventLog\n", "does not declare it"),
        ("eventlog/EventLog/E.swift", "import Domain\n", "part of the log"),
        ("Sources/Application/F.swift", "@testable import API\n", "Application may not import API"),
        ("Sources/API/G.swift", "import struct Domain.Wallet\n", "does not declare it"),
        ("Sources/API/H.swift", "import NIO\n", "no module of ours"),
        ("Sources/API/I.swift", "let a = 1\n" * 601, "601 lines"),
        ("Sources/API/J.swift", "// TO" "DO: later\n", "no notes to ourselves"),
        ("console/src/k.ts", "// FIX" "ME\n", "no notes to ourselves"),
        ("Sources/API/L.swift", "class L: @unchecked Sendable {}\n", "what makes @unchecked"),
        ("Sources/Domain/Placeholder.swift", "", "delete the placeholder"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, path, text, finding):
    found = [line for line in findings(tmp_path, {path: text}) if finding in line]
    assert found and found[0].startswith(path + ":")


@pytest.mark.parametrize(
    ("bad", "finding"),
    [
        (target("Domain2", "Sources/Domain2", "API"), "Domain2 may not depend on API"),
        (target("Merkle", "eventlog/Merkle", "Domain"), "Merkle is part of the log"),
        (target("Zstd", "eventlog/Zstd", "CLMDB"), "only LMDB may depend on CLMDB"),
        (target("CNew", "Sources/CNew", kind="system"), "CNew has no wrapper"),
    ],
)
def test_a_bad_dependency_is_refused(tmp_path, bad, finding):
    assert any(finding in line for line in findings(tmp_path, {}, [*TARGETS, bad]))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Sources/API/A.swift", "// tidy:allow-long: a table\n" + "let a = 1\n" * 601),
        ("eventlog/EventLog/B.swift", "// tidy:allow-foundation: signals\nimport Foundation\n"),
        ("Sources/API/C.swift", "/// The lock guards it.\nclass C: @unchecked Sendable {}\n"),
        (".build/x.swift", "// TO" "DO\n"),
    ],
)
def test_what_is_allowed_passes(tmp_path, path, text):
    assert findings(tmp_path, {path: text}) == []


def test_the_verifier_of_books_is_short_and_shares_nothing():
    """Whoever has to trust it reads it in an hour."""
    text = (TIDY.parent / "verify" / "verify_bundle.py").read_text()
    assert text.count("\n") < 300
    imports = [line for line in text.split("\n") if line.startswith(("import ", "from "))]
    assert len(imports) == 3 and all("cryptography" in line for line in imports[1:]), imports
