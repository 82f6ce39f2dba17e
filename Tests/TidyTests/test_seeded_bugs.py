"""Every known mistake of tools/crash/seeded-bugs still has its place in the log: whether it is caught takes hours, that it
applies takes none."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
loader = SourceFileLoader("seeded_bugs", str(ROOT / "tools" / "crash" / "seeded-bugs"))
seeded_bugs = importlib.util.module_from_spec(importlib.util.spec_from_loader("seeded_bugs", loader))
# Where dataclasses look for the annotations of theirs.
sys.modules["seeded_bugs"] = seeded_bugs
loader.exec_module(seeded_bugs)


@pytest.mark.parametrize("bug", seeded_bugs.BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_applies_at_one_place(bug):
    text = (ROOT / bug.path).read_text(encoding="utf-8")
    assert text.count(bug.before) == 1
    assert bug.before != bug.after
