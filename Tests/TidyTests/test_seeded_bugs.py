"""Every known mistake of tools/crash/seeded-bugs still has its place in the log: whether it is caught takes hours, that it
applies takes none."""

import importlib.util
import subprocess
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


class Runs:
    """Test runs that say what they are given, one after the other."""

    def __init__(self, monkeypatch, *outputs):
        self.outputs = list(outputs)
        monkeypatch.setattr(seeded_bugs, "run", self.run)

    def run(self, command):
        name = self.outputs.pop(0)
        if name is None:
            return subprocess.CompletedProcess(command, 0, "✔ Test run with 9 tests in 1 suite passed after 1 second.\n", "")
        failed = f'✘ Test "{name}" failed after 1 second with 1 issue.\n✘ Test run with 9 tests in 1 suite failed after 1 second.\n'
        return subprocess.CompletedProcess(command, 1, failed, "")


def test_a_test_that_fails_again_alone_has_caught_a_mistake(monkeypatch):
    Runs(monkeypatch, "a rule", "a rule")
    assert seeded_bugs.turned_red("tests") == ("a rule", None)


def test_a_test_that_failed_once_has_caught_nothing(monkeypatch):
    tested = Runs(monkeypatch, "a rule", None, None)
    assert seeded_bugs.turned_red("tests") == (None, "green")
    assert not tested.outputs


def test_a_soak_that_could_not_be_done_has_caught_nothing(monkeypatch):
    for code, verdict in [(2, ("BROKEN: it", None)), (1, (None, "not tried to its end: BROKEN: it")), (0, (None, "green"))]:
        done = subprocess.CompletedProcess([], code, "", "BROKEN: it\n")
        monkeypatch.setattr(seeded_bugs, "run", lambda _, done=done: done)
        assert seeded_bugs.turned_red("many cuts") == verdict
