"""The entry: what went wrong is said in words, without a traceback, and the exit code says what kind it is."""

from __future__ import annotations

import gc

import pytest

from pm_autoaccept.__main__ import main
from pm_autoaccept.cli.support.garbage_collection import THRESHOLDS

FAULTY = "version: 1\nrules:\n  - {id: a, on: connection, filter: always, then: accept}\n"


@pytest.fixture
def said(monkeypatch, capsys, tmp_path):
    """What a command says on stderr, and its exit code."""
    monkeypatch.chdir(tmp_path)

    def _said(*words: str) -> tuple[list[str], object]:
        monkeypatch.setattr("sys.argv", ["pm-autoaccept", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return capsys.readouterr().err.splitlines(), end.value.code

    return _said


def test_several_faults_stand_each_in_a_line_of_its_own(said, tmp_path):
    """Below a line that says what they are faults of; the mark below a quoted line stays below its word."""
    lines, code = said("pending")
    assert (lines[0], code) == ("pm-autoaccept: the settings are invalid:", 78)
    assert [line.split()[0] for line in lines[1:]] == [
        f"PM_AUTOACCEPT_{name}" for name in ("SERVICE", "USERNAME", "PASSWORD", "POLICY")
    ]
    (tmp_path / "policy.yaml").write_text(FAULTY)
    (tmp_path / "list.xml").write_text("<pendingList/>")
    lines, code = said("explain", "--xml", "list.xml", "--policy", ".")
    assert (lines[0], code) == ("pm-autoaccept: the policy is invalid:", 78)
    quoted = next(at for at, line in enumerate(lines) if "filter: always" in line)
    assert lines[quoted + 1].index("^") in (lines[quoted].index("{"), lines[quoted].index("filter"))


def test_one_fault_stands_in_the_line_that_names_the_program(said):
    """As other programs say it."""
    lines, code = said("decisions", "--ledger", "sqlite:///nowhere.db")
    assert code == 69
    assert len(lines) == 1
    assert lines[0].startswith("pm-autoaccept: no ledger at sqlite:///nowhere.db")


def test_the_collector_runs_less_often_than_by_default(said):
    """It would take a tenth of the CPU time of a cycle."""
    before = gc.get_threshold()
    try:
        said("--version")
        assert gc.get_threshold() == THRESHOLDS
    finally:
        gc.set_threshold(*before)
