"""The policy's folder and the tables it declares, as they are found on a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pm_autoaccept
from pm_autoaccept import policy
from pm_autoaccept.data_sources import example_policy, read, read_folder
from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.file_stamps import look_at_policy
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Form, Source, Table

RULES = b"rules: [{id: everything, on: meter, when: always, then: hold}]\n"


def accounts(**more: object) -> Source:
    """A csv table whose keys are cleaned of all but digits."""
    text = b"version: 1\ndata: {accounts: {csv: data/a.csv, key: account_number, clean: digits}}\n" + RULES
    source = policy.load({"p.yaml": text}).sources["accounts"]
    return Source(**({name: getattr(source, name) for name in Source.__dataclass_fields__} | more))


def table(folder: Path, contents: bytes | str, **more: object) -> Table | NotLearnt:
    """What is read of data/a.csv with these contents."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "a.csv").write_bytes(contents.encode() if isinstance(contents, str) else contents)
    return read_file(accounts(**more), folder, largest=1_000).table


def test_a_csv_file(tmp_path):
    """Keys are cleaned, blank ones dropped; a BOM, blank lines, quotes and line breaks in cells do no harm."""
    text = '\ufeffname, account_number \r\n"Tower, ""A""",00-41\r\n\r\nLofts, \r\n"two\nlines",0042\r\n'
    learnt = table(tmp_path, text)
    assert isinstance(learnt, Table)
    assert (learnt.name, learnt.rows) == ("accounts", 2)
    assert [learnt.has((key,)) for key in ("0041", "0042", "", "Lofts")] == [True, True, False, False]
    assert learnt.digest != table(tmp_path, text + "x,3\r\n").digest
    assert len(learnt.digest) == 64


def test_lines(tmp_path):
    """One key a line, spelt as it stands but for outer blanks."""
    learnt = table(tmp_path, "green_consult\n\n  watt_watchers \n", form=Form.LINES, key=("value",), clean={})
    assert isinstance(learnt, Table)
    assert [learnt.has((key,)) for key in ("green_consult", "watt_watchers", "")] == [True, True, False]


def test_values_are_not_read_from_a_file(tmp_path):
    """Inline values are a table without a file."""
    source = accounts(
        form=Form.VALUES,
        values=("00-1", "2"),
        path=None,
        key=("value",),
        clean={"value": accounts().clean["account_number"]},
    )
    learnt = read({"accounts": source}, tmp_path / "nowhere")["accounts"]
    assert isinstance(learnt, Table)
    assert (learnt.rows, learnt.has(("001",)), learnt.has(("2",))) == (2, True, True)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ("", "is missing in the header (empty)"),
        ("number,name\n1,x\n", "account_number is missing in the header (number, name)"),
        ("account_number;name\n1;x\n", "is missing in the header (account_number;name)"),
        ("account_number,account_number\n1,2\n", "appears more than once"),
        ("account_number\n", "there are no keys"),
        ("account_number\nnone of these\n", "there are no keys"),
        ("account_number\n12\n1.23E+11\n", "line 3: a spreadsheet changed the key to 1.23E+11"),
        ("account_number\n1,23E+11\n", "has 2 cells but the header has 1"),
        ('account_number\n"1,23e+11"\n', "changed the key to 1,23e+11"),
        ("account_number\n99817.0\n", "line 2: a spreadsheet changed the key to 99817.0"),
        ("account_number\n7.00\n", "line 2: a spreadsheet changed the key to 7.00"),
        ("account_number\n#N/A\n", "changed the key to #N/A"),
        ("account_number\n#REF!\n", "changed the key to #REF!"),
        ("account_number\n#######\n", "changed the key to #######"),
        ("account_number,name\n12\n", "line 2 has 1 cells but the header has 2"),
        ("account_number,name\n12,Tower, A\n", "line 2 has 3 cells"),
        ('account_number\n"12\n', "this is not valid CSV"),
        (b"account_number\nZ\xfcrich\n", "line 2 is not UTF-8"),
        ("account_number\n" + "1\n" * 1_000, "larger than 1,000 bytes"),
    ],
)
def test_a_csv_file_that_is_doubtful(tmp_path, contents, why):
    """Whatever is doubtful makes the whole table not learnt, and the reason names file and line."""
    learnt = table(tmp_path, contents)
    assert isinstance(learnt, NotLearnt)
    assert why in learnt.why
    assert learnt.why.startswith("data/a.csv: ")


def test_an_emptied_list(tmp_path):
    """A blocklist that was emptied would let everybody in: it is not learnt."""
    assert isinstance(table(tmp_path, "\n", form=Form.LINES, key=("value",), clean={}), NotLearnt)


@pytest.mark.parametrize("path", ["data/missing.csv", "data", "../outside.csv", "link.csv", "loop.csv", "a\0b"])
def test_a_file_that_cannot_be_read(tmp_path, path):
    """Missing, a folder, outside the policy's folder also by a link, a loop of links: each is not learnt."""
    (tmp_path / "outside.csv").write_text("account_number\n1\n")
    folder = tmp_path / "policy"
    (folder / "data").mkdir(parents=True)
    (folder / "link.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    learnt = read({"accounts": accounts(path=path)}, folder)["accounts"]
    assert isinstance(learnt, NotLearnt)


def test_a_link_within_the_folder(tmp_path):
    """A mounted configuration is made of links that stay within it: they are followed."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.csv").write_text("account_number\n1\n")
    (tmp_path / "data").symlink_to("..data")
    assert isinstance(read({"accounts": accounts()}, tmp_path)["accounts"], Table)


def test_a_pipe_is_not_waited_for(tmp_path):
    """A pipe in place of a file would never end: it is not learnt."""
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "a.csv")
    learnt = read({"accounts": accounts()}, tmp_path)["accounts"]
    assert learnt == NotLearnt("data/a.csv: this is not a file")


def test_a_folder(tmp_path):
    """Every .yaml file is read, tests included, and the documents that tests may name; other files are left alone."""
    (tmp_path / "requests").mkdir()
    (tmp_path / "..swapped").mkdir()
    for name in ("b.yaml", "a.yaml", "a.test.yaml", "notes.txt", "requests/a.xml", "..swapped/a.xml"):
        (tmp_path / name).write_bytes(b"version: 1\n")
    (tmp_path / "data.xml").mkdir()
    assert list(read_folder(tmp_path)) == ["a.test.yaml", "a.yaml", "b.yaml", "requests/a.xml"]


HIDDEN = (".#policy.yaml", ".gitlab-ci.yml", ".pre-commit-config.yaml", "._policy.yaml", ".policy.YAML", ".x.test.yaml")
"""An editor's lock, a forge's settings, a Mac's shadow of a file: none of them is policy."""


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("kind", ["file", "broken link", "folder"])
def test_a_hidden_file_is_no_policy(tmp_path, name, kind):
    """It is neither read nor refused, and the watch does not begin a cycle for it."""
    (tmp_path / "a.yaml").write_bytes(b"version: 1\nrules: [{id: a, on: connection, when: always, then: hold}]\n")
    before = look_at_policy(tmp_path)
    if kind == "file":
        (tmp_path / name).write_bytes(b"stages: [test]\n")
    elif kind == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).symlink_to("user@host.4711:1456789012")
    try:
        assert [rule.id for rule in policy.load(read_folder(tmp_path)).rules] == ["a"]
    except (PolicyRefused, ConfigurationError) as error:
        pytest.fail(f"it is refused: {error}")
    assert look_at_policy(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [".seen.xml", ".requests/seen.xml", "requests/.seen", "seen.XML", "seen.txt", "we saw.txt", "gesehen-ä"],
)
@pytest.mark.parametrize("written", ["xml: {}", "xml: '{}'", '{{xml: "{}", id: 5}}'])
def test_a_document_that_a_case_names_is_read_whatever_its_name(tmp_path, name, written):
    """And noticed when it changes, and missed where it is not there."""
    (tmp_path / "a.yaml").write_bytes(b"version: 1\nrules: [{id: a, on: connection, when: always, then: hold}]\n")
    request = written.format(name) if written.startswith("{") else f"{{{written.format(name)}}}"
    tests = f"cases:\n- {{about: a, request: {request}, expect: {{verdict: hold, rule: a}}}}\n"
    (tmp_path / "a.test.yaml").write_text(tests, encoding="utf-8")
    missing = look_at_policy(tmp_path)
    with pytest.raises(PolicyRefused, match="there is no file"):
        policy.load(read_folder(tmp_path))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("<pendingList><account><accountId>5</accountId></account></pendingList>")
    assert look_at_policy(tmp_path) != missing, "nobody notices that it came"
    try:
        assert len(policy.load_checked(read_folder(tmp_path)).cases) == 1
    except PolicyRefused as error:
        pytest.fail(f"it is refused: {error}")


def test_data_under_any_name_is_read(tmp_path):
    """The policy names it, so it is meant."""
    (tmp_path / ".accounts").write_bytes(b"account_number\n17\n")
    table = read({"accounts": accounts(path=".accounts")}, tmp_path)["accounts"]
    assert table.rows == 1


@pytest.mark.parametrize("name", ["b.yml", "b.YAML", "B.YML"])
def test_a_file_that_would_not_be_read(tmp_path, name):
    """A blocklist under a name that is not read would let everybody on it in: it is told beside all other faults."""
    (tmp_path / "a.yaml").write_bytes(b"version: 1\nrulez: 2\n")
    (tmp_path / name).write_bytes(b"version: 1\n")
    with pytest.raises(PolicyRefused) as caught:
        policy.load(read_folder(tmp_path))
    assert {fault.where for fault in caught.value.faults} == {"a.yaml:2:1", f"{name}:1:1"}


def test_folders_that_are_none(tmp_path):
    """No folder, a file, and a file that cannot be read are wrong settings; an empty folder is no policy."""
    with pytest.raises(PolicyRefused, match=r"no \.yaml file"):
        read_folder(tmp_path)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        read_folder(tmp_path / "missing")
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="not a readable file"):
        read_folder(tmp_path)
    (tmp_path / "a.yaml").rmdir()
    (tmp_path / "a.yaml").symlink_to("/proc/self/mem")  # a file whose first byte cannot be read, not even by root
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_folder(tmp_path)


SECRET = "root:x:0:0:secret\n"


def _links(name: str, folder: Path, outside: Path) -> None:
    """Ways in which a policy's file may lead outside: by a link, through a folder, through another link."""
    (outside / "b.yaml").write_text(SECRET)
    link = folder / "b.yaml"
    if name == "absolute":
        link.symlink_to(outside / "b.yaml")
    elif name == "relative":
        link.symlink_to("../outside/b.yaml")
    elif name == "through a folder":
        (folder / "..data").symlink_to(outside)
        link.symlink_to("..data/b.yaml")
    elif name == "through another link":
        (folder / "..first").symlink_to(outside / "b.yaml")
        link.symlink_to("..first")
    elif name == "a folder whose name begins so":
        (outside.parent / "policy-other").mkdir()
        (outside.parent / "policy-other" / "b.yaml").write_text(SECRET)
        link.symlink_to("../policy-other/b.yaml")
    elif name == "a test":
        (folder / "b.test.yaml").symlink_to(outside / "b.yaml")


@pytest.mark.parametrize(
    "name",
    ["absolute", "relative", "through a folder", "through another link", "a folder whose name begins so", "a test"],
)
def test_a_policy_file_that_lies_outside_the_folder(tmp_path, name):
    """It is refused, and its lines, which an error would show, are not read into one."""
    folder, outside = tmp_path / "policy", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "a.yaml").write_bytes(b"version: 1\n" + RULES)
    _links(name, folder, outside)
    told = ""
    try:
        policy.load(read_folder(folder))
    except PolicyRefused as error:
        told = str(error)
    assert "this is a link to a file outside the policy folder" in told
    assert "secret" not in told
    assert told.startswith("b.")


def test_a_policy_mounted_as_kubernetes_does(tmp_path):
    """Links within the folder are followed, and the folder itself may be a link to anywhere."""
    folder = tmp_path / "mounted"
    (folder / "..2026_03_04").mkdir(parents=True)
    (folder / "..2026_03_04" / "a.yaml").write_bytes(b"version: 1\n" + RULES)
    (folder / "..data").symlink_to("..2026_03_04")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "policy").symlink_to("mounted")
    assert list(read_folder(folder)) == list(read_folder(tmp_path / "policy")) == ["a.yaml"]


def test_a_document_that_lies_outside_the_folder_is_passed_over(tmp_path):
    """As a folder of documents outside is: a case that names it finds no such file."""
    folder = tmp_path / "policy"
    (folder / "requests").mkdir(parents=True)
    (folder / "a.yaml").write_bytes(b"version: 1\n" + RULES)
    (folder / "requests" / "here.xml").write_text("<a/>")
    (folder / "requests" / "link.xml").symlink_to("here.xml")
    (tmp_path / "there.xml").write_text(SECRET)
    (folder / "requests" / "there.xml").symlink_to(tmp_path / "there.xml")
    assert list(read_folder(folder)) == ["a.yaml", "requests/here.xml", "requests/link.xml"]


def test_a_file_that_is_too_large(tmp_path):
    """No more is read than shows that it is too large, and the loader says so."""
    (tmp_path / "a.yaml").write_bytes(b"#" * 3_000_000)
    files = read_folder(tmp_path)
    assert len(files["a.yaml"]) == 250_001
    with pytest.raises(PolicyRefused, match="larger than 250,000 bytes"):
        policy.load(files)


def test_example_policies(monkeypatch, tmp_path):
    """Examples are found beside the package in a checkout and inside it in a wheel; others are named."""
    assert (example_policy("utility") / "policy.yaml").is_file()
    with pytest.raises(ConfigurationError, match="all-options, city, hold-everything, saas, utility"):
        example_policy("utlity")
    (tmp_path / "site" / "policies" / "utility").mkdir(parents=True)
    monkeypatch.setattr(pm_autoaccept, "__file__", str(tmp_path / "site" / "__init__.py"))
    assert example_policy("utility") == tmp_path / "site" / "policies" / "utility"
    monkeypatch.setattr(pm_autoaccept, "__file__", str(tmp_path / "none" / "__init__.py"))
    with pytest.raises(ConfigurationError, match="installation is incomplete"):
        example_policy("utility")


def test_checking_a_policy_stays_light():
    """Loading a policy and its tables brings in neither aiohttp nor SQLAlchemy nor lxml."""
    code = (
        "import sys, pm_autoaccept.decide, pm_autoaccept.data_sources as r, pm_autoaccept.policy as p;"
        "p.load(r.read_folder(r.example_policy('utility')));"
        "print(sorted({'aiohttp', 'sqlalchemy', 'lxml'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert ran.stdout.strip() == "[]"
