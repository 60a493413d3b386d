"""The commands as people and machines meet them: exit codes, streams, JSON, what is loaded, what is sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pm_autoaccept import __version__
from pm_autoaccept.cli import cli
from pm_autoaccept.data_sources import example_policy
from pm_autoaccept.errors import ConfigurationError
from tests.acceptance.processes import environment, run, simulating
from tests.epa import EXAMPLES, needs_examples

UTILITY = str(example_policy("utility"))


@pytest.fixture(scope="module")
def served():
    """A simulator that the tests of this file share; none of them answers anything."""
    with simulating("--pending", "40", "--seed", "3") as running:
        yield running


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("check", UTILITY)])
def test_light_commands_load_neither_aiohttp_nor_sqlalchemy(arguments, tmp_path):
    """They start at once, since what they do not need is not imported."""
    program = (
        "import sys\n"
        "from pm_autoaccept.__main__ import main\n"
        f"sys.argv = ['pm-autoaccept', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print('exit', end.code)\n"
        "print('loaded', [name for name in ('aiohttp', 'sqlalchemy', 'alembic') if name in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603 — our own program
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert "exit 0" in done.stdout
    assert "loaded []" in done.stdout


def test_version_and_help_say_what_is_there(tmp_path):
    """Every command has its line in the help."""
    assert run("--version", cwd=tmp_path).stdout.strip().endswith(__version__)
    text = run("--help", cwd=tmp_path).stdout
    for command in ("run", "once", "demo", "simulate", "check", "pending", "explain", "decisions", "doctor"):
        assert command in text
        assert run(command, "--help", cwd=tmp_path).returncode == 0


def test_pending_and_explain_and_observe_send_no_post(served, tmp_path):
    """In any mode `pending` only reads; in observe mode, the default, so does `once`."""
    enforcing = served.settings | {"PM_AUTOACCEPT_MODE": "enforce"}
    for arguments, variables in (
        (("once",), served.settings),
        (("once", "--mode", "observe"), enforcing),
        (("pending",), served.settings),
        (("pending", "--output", "json"), enforcing),
    ):
        done = run(*arguments, "--policy", UTILITY, cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
    key = json.loads(done.stdout)["requests"][0]["request"]
    done = run("explain", key, "--policy", UTILITY, cwd=tmp_path, **served.settings)
    assert done.returncode == 0
    assert key in done.stdout
    assert served.posts() == []
    assert {call["method"] for call in served.switchboard("log")} == {"GET"}


def test_pending_makes_no_ledger(served, tmp_path):
    """A command that only looks leaves nothing behind."""
    assert run("pending", "--policy", UTILITY, cwd=tmp_path, **served.settings).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_observe_says_that_nothing_was_sent(served, tmp_path):
    """Whoever runs `once` for the first time learns how to let it answer."""
    done = run("once", "--policy", UTILITY, cwd=tmp_path, **served.settings)
    assert "nothing was sent" in done.stdout
    assert "would accept" in done.stdout


def test_a_wrong_password_is_exit_77_after_one_call(served, tmp_path):
    """One GET /account, alone; nothing else is tried."""
    before = len(served.switchboard("log"))
    wrong = served.settings | {"PM_AUTOACCEPT_PASSWORD": "Wrong-Password-1"}
    done = run("once", "--policy", UTILITY, cwd=tmp_path, **wrong)
    assert done.returncode == 77
    assert "Wrong-Password-1" not in done.stdout + done.stderr
    assert len(served.switchboard("log")) == before + 1


def test_a_service_that_has_nothing_for_us_is_exit_69(served, tmp_path):
    """The message names the call and says what failed."""
    elsewhere = served.settings | {"PM_AUTOACCEPT_SERVICE": served.url.replace("/wstest", "/ws")}
    done = run("once", "--policy", UTILITY, cwd=tmp_path, **elsewhere)
    assert done.returncode == 69
    assert "GET /account: 404" in done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"PM_AUTOACCEPT_SERVICE": "https://pm.example/ws", "PM_AUTOACCEPT_MODE": "enforce"},
            "enforce is only allowed with EPA's services",
        ),
        ({"PM_AUTOACCEPT_SERVICE": "ftp://x"}, "base URL"),
        ({"PM_AUTOACCEPT_RATE": "fast"}, "PM_AUTOACCEPT_RATE"),
        ({"PM_AUTOACCEPT_INTERVAL": "1 minute"}, "PM_AUTOACCEPT_INTERVAL"),
        ({"PM_AUTOACCEPT_MODE": "yes"}, "PM_AUTOACCEPT_MODE"),
        ({"PM_AUTOACCEPT_LEDGER": "mysql://localhost/x"}, "SQLite or PostgreSQL"),
        ({"PM_AUTOACCEPT_PASSWORD_FILE": "secret"}, "both set"),
    ],
)
def test_wrong_settings_say_which(served, tmp_path, monkeypatch, changed, said):
    """Each names the variable or what is not allowed together, before anything is asked of Portfolio Manager."""
    monkeypatch.chdir(tmp_path)
    for name, value in (served.settings | {"PM_AUTOACCEPT_POLICY": UTILITY} | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said) as raised:
        CliRunner().invoke(cli, ["run"], catch_exceptions=False)
    assert raised.value.exit_code == 78


def test_a_wrong_setting_is_exit_78(served, tmp_path):
    """The message stands on stderr, and nothing on stdout."""
    done = run("once", cwd=tmp_path, **served.settings, PM_AUTOACCEPT_POLICY="nowhere")
    assert (done.returncode, done.stdout) == (78, "")
    assert "nowhere is not a folder" in done.stderr


def test_all_missing_settings_are_named_at_once(tmp_path):
    """Nobody should have to find them one by one."""
    done = run("once", cwd=tmp_path)
    assert done.returncode == 78
    for name in ("SERVICE", "USERNAME", "PASSWORD", "POLICY"):
        assert f"PM_AUTOACCEPT_{name} is not set" in done.stderr


def test_a_password_may_stand_in_a_file(served, tmp_path):
    """As containers hand secrets over, with a newline at its end."""
    (tmp_path / "password").write_text(f"{served.password}\n")
    variables = {name: value for name, value in served.settings.items() if not name.endswith("PASSWORD")}
    done = run("pending", "--policy", UTILITY, cwd=tmp_path, PM_AUTOACCEPT_PASSWORD_FILE="password", **variables)
    assert done.returncode == 0, done.stderr


def test_check_lists_every_fault_and_is_exit_1(tmp_path):
    """A misspelt key is named with file, line and column."""
    (tmp_path / "policy").mkdir()
    text = "version: 1\nrules:\n  - id: a\n    on: connection\n    filter: always\n    then: acept\n"
    (tmp_path / "policy" / "policy.yaml").write_text(text)
    done = run("check", "policy", cwd=tmp_path)
    assert done.returncode == 1
    assert "policy.yaml:5:5" in done.stdout
    assert "policy.yaml:6:11" in done.stdout
    machine = run("check", "policy", "--output", "json", cwd=tmp_path)
    assert {fault["line"] for fault in json.loads(machine.stdout)["faults"]} >= {5, 6}


def test_decisions_without_a_ledger_is_exit_69(tmp_path):
    """It does not make an empty one and call it the answer."""
    done = run("decisions", cwd=tmp_path)
    assert done.returncode == 69
    assert "there is no ledger" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_explain_a_file_needs_no_service(tmp_path):
    """What the file does not tell is unknown, and said so."""
    text = (
        "<pendingList><account><accountId>410221</accountId><username>riverside</username><accountInfo/></account>"
        "</pendingList>"
    )
    (tmp_path / "list.xml").write_text(text)
    done = run("explain", "--xml", "list.xml", "--policy", UTILITY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "connection:410221 of riverside" in done.stdout
    assert "hold" in done.stdout


def test_wrong_usage_is_exit_2(tmp_path):
    """A key that is none, an option that is none."""
    for arguments in (("explain", "thing:1"), ("explain",), ("once", "--passwrd", "x"), ("nothing",)):
        assert run(*arguments, cwd=tmp_path).returncode == 2


def test_a_request_that_does_not_pend_is_said_to_be_so(served, tmp_path):
    """`explain` points to the ledger."""
    done = run("explain", "meter:1", "--policy", UTILITY, cwd=tmp_path, **served.settings)
    assert done.returncode == 1
    assert "does not pend" in done.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_reader_who_has_enough_is_no_failure(output, tmp_path):
    """`demo | head -1` ends with 0 and without a traceback, and the demo is finished all the same."""
    command = f"set -o pipefail; {sys.executable} -m pm_autoaccept demo --pending 30 --output {output} | head -1"
    done = subprocess.run(  # noqa: S603 — our own program
        ["/bin/bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@needs_examples
@pytest.mark.parametrize("kind", ["accounts", "properties", "meters"])
def test_explain_reads_a_pending_list_of_any_kind(kind, tmp_path):
    """Each of EPA's kinds of list, without calling the elements of one kind broken ones of another."""
    done = run("explain", "--xml", str(EXAMPLES / f"pending-{kind}.xml"), "--policy", UTILITY, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "riverside_props" in done.stdout


def test_demo_tells_other_numbers_for_another_seed_and_agrees_with_its_ledger(tmp_path):
    """Everything it says is computed: the JSON counts just what the ledger has."""
    told = {}
    for seed in ("7", "8"):
        ledger = f"sqlite:///{tmp_path / seed}.db"
        done = run("demo", "--seed", seed, "--output", "json", "--ledger", ledger, cwd=tmp_path)
        told[seed] = json.loads(done.stdout)
        rows = json.loads(run("decisions", "--output", "json", "--ledger", ledger, cwd=tmp_path).stdout)
        accepted = sum(counts.get("accepted", 0) for counts in told[seed]["summary"]["endings"].values())
        assert accepted == sum(1 for row in rows if row["outcome"] == "done" and row["answer"] == "Accept") > 0
        rules = {row["rule"] or "no rule" for row in rows}
        assert rules == set(told[seed]["summary"]["rules"])
    assert told["7"]["summary"] != told["8"]["summary"]


def test_where_nothing_pends_it_is_said_in_a_sentence(tmp_path):
    """Not in tables of noughts."""
    with simulating("--pending", "0") as nobody:
        for command, says in (("once", "Nothing pends: there was nothing to answer."), ("pending", "Nothing pends.")):
            done = run(command, "--policy", UTILITY, cwd=tmp_path, PM_AUTOACCEPT_MODE="enforce", **nobody.settings)
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines() == [says]


def test_the_demo_begins_with_a_few_of_each_kind_and_tells_all_where_that_is_asked_for(tmp_path):
    """Then come the counts; no line names its rule twice."""
    short = run("demo", "--pending", "40", cwd=tmp_path).stdout
    story, _, counts = short.partition("What became of the requests")
    words = [line.split()[0] for line in story.splitlines()[3:] if line and not line.startswith(" ")]
    assert words == ["accepted"] * 3 + ["rejected"] * 3 + ["held"] * 3
    assert "more held" in story
    assert "accepted" in counts
    full = run("demo", "--pending", "40", "--all", cwd=tmp_path).stdout.partition("What became of the requests")[0]
    lines = [line for line in full.splitlines() if ":" in line and line.split()[0] in {"accepted", "rejected", "held"}]
    assert len(lines) > 30
    for line in lines:
        rules = re.findall(
            r"known-customer|unlisted-\w+|read-only-share|fuel-we-do-not-supply|malformed-number|o rule", line
        )
        assert len(rules) <= 1, line
