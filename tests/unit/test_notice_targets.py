"""`targets` in the settings file: who gets notices; addresses and secrets are kept elsewhere and shown nowhere."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pm_autoaccept.config import list_settings, load_accounts, notice_targets, policy_names, review_settings
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import NoticeKind, NoticeTarget, TargetKind

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MAIL = "mailtos://robot:pa55phrase@mail.example.org?to=team@example.org"
REST = "service: test\nusername: prairie_power\npassword_file: password\npolicy: policy\n"
TARGETS = """
targets:
  queue: {kind: webhook, url: 'https://queue.example.org/pm/t0ken', secret_file: signing, groups: all, personal: true}
  team:
    kind: notify
    url_env: TEAM_URL
    groups: [benchmarking, supervisors]
    digest_hour: 8
    time_zone: America/Chicago
    remind_after: 2d
    else_tell: supervisors
"""


@pytest.fixture(autouse=True)
def secrets_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets lie beside the settings file, and the library for mail seems to be installed."""
    monkeypatch.setenv("TEAM_URL", MAIL)
    monkeypatch.setattr(notice_targets, "find_spec", lambda _name: object())
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "signing").write_text(f"{SIGNING}\n")
    monkeypatch.chdir("/")


def load(tmp_path: Path, text: str):
    """The program's settings from a file."""
    path = tmp_path / "settings.yaml"
    path.write_text(REST + text)
    return load_accounts(settings=path)


def test_targets_with_their_secrets(tmp_path):
    """Each has its routing, its address and its secret."""
    targets = load(tmp_path, TARGETS).targets
    assert targets["queue"].routing == NoticeTarget(
        name="queue", kind=TargetKind.WEBHOOK, groups=None, personal=True, time_zone=UTC
    )
    assert targets["queue"].address.get_secret_value() == "https://queue.example.org/pm/t0ken"
    assert targets["queue"].secret is not None
    assert targets["queue"].secret.get_secret_value() == SIGNING
    assert targets["team"].address.get_secret_value() == MAIL
    assert targets["team"].routing == NoticeTarget(
        name="team",
        kind=TargetKind.PEOPLE,
        groups=frozenset({"benchmarking", "supervisors"}),
        digest_hour=8,
        time_zone=ZoneInfo("America/Chicago"),
        remind_after=timedelta(days=2),
        else_tell="supervisors",
    )


def test_who_hears_of_a_group(tmp_path):
    """`all` also gets what is for no group."""
    targets = load(tmp_path, TARGETS).targets
    assert [targets["queue"].routing.gets(group) for group in ("strangers", None)] == [True, True]
    assert [targets["team"].routing.gets(group) for group in ("benchmarking", "strangers", None)] == [
        True,
        False,
        False,
    ]


def test_what_is_shown(tmp_path):
    """`doctor` lists each target with its origin, and neither path nor user nor secret."""
    program = load(tmp_path, TARGETS)
    listed = {each.setting: (each.value, each.origin) for each in list_settings(program) if "targets" in each.setting}
    assert listed == {
        "targets.queue": ("webhook https://queue.example.org/…", f"{tmp_path}/settings.yaml:7"),
        "targets.team": ("notify mailtos://…", f"{tmp_path}/settings.yaml:8"),
    }
    assert not any(secret in repr(program) for secret in ("t0ken", SIGNING, "pa55phrase"))


WEBHOOK = "targets: {queue: {kind: webhook, url: 'https://q.example.org/', secret_file: signing, groups: all, %s}}\n"
TEAM = "targets: {team: {kind: notify, url_env: TEAM_URL, groups: [team], %s}}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("targets: x\n", "5:10: `targets` must be a mapping of names to targets"),
        ("targets: {queue: x}\n", "5:18: a target must be a mapping"),
        ("targets: {Queue: {}}\n", "5:11: invalid target name"),
        ("targets: {queue: {groups: all}}\n", "5:11: missing `kind`; use webhook or notify"),
        (
            "targets: {queue: {kind: webhok}}\n",
            "5:25: unknown kind `webhok` (did you mean `webhook`?); use webhook or notify",
        ),
        ("targets: {queue: {kind: [webhook]}}\n", "5:25: `kind` must be a single value, not a list or a mapping"),
        (
            "targets: {queue: {kind: webhook, secret_file: signing, groups: all}}\n",
            "5:11: missing `url`; set one of url, url_file or url_env",
        ),
        (
            "targets: {queue: {kind: webhook, url: 'https://q.example', url_env: Q, secret_env: S, groups: all}}\n",
            "5:11: url or url_env are all set; set one of url, url_file or url_env",
        ),
        (
            "targets: {queue: {kind: webhook, url: 'https://q.example.org/', groups: all}}\n",
            "5:11: missing `secret_file`; set one of secret_file or secret_env",
        ),
        (
            "targets: {queue: {kind: webhook, url: 'https://q.example.org/', secret_file: signing}}\n",
            "5:11: missing `groups`",
        ),
        (WEBHOOK % "secret: whsec_abc", "5:100: secrets are not allowed in the settings file"),
        (WEBHOOK % "colour: red", "5:100: unknown key `colour` of this target"),
        (WEBHOOK % "personal: 'yes'", "5:110: invalid `personal`"),
        (WEBHOOK % "digest_hour: 24", "5:113: invalid `digest_hour`; use an hour from 0 to 23"),
        (WEBHOOK % "time_zone: Chicago", "5:111: unknown time zone `Chicago`"),
        (WEBHOOK % "remind_after: soon", "5:114: invalid `remind_after`; use a number and s, m, h or d"),
        (TEAM % "else_tell: bosses", "5:78: `else_tell` needs `remind_after`"),
        (
            TEAM % "remind_after: 2d, else_tell: bosses",
            "5:11: `else_tell` names bosses, but no target has this group; add it to a target",
        ),
        (TEAM % "url: 'json://localhost'", "5:67: this address contains a secret; put it in a file of its own"),
        (
            "targets: {team: {kind: notify, url_env: TEAM_URL, groups: {a: b}}}\n",
            "5:59: `groups` must be `all`, or a list",
        ),
        (
            "targets: {team: {kind: notify, url_env: TEAM_URL, groups: [Team]}}\n",
            "5:60: invalid group name `Team`; use lower-case words joined by hyphens",
        ),
    ],
)
def test_each_fault_has_its_place(tmp_path, text, fault):
    """Each fault says where it is and what to do."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert f"{tmp_path}/settings.yaml:{fault}" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://q.example.org/t0ken", "invalid address; use https://HOST/PATH"),
        ("https://t0ken@q.example.org/", "the address contains a username; remove it"),
        ("https://[t0ken", "invalid address"),
        ("http://q.example.org/t0ken", "`personal: true` sends names and customer input, which needs https"),
    ],
)
def test_an_address_is_refused_and_not_repeated(tmp_path, url, fault):
    """The address of a webhook may be a secret, wherever it is kept."""
    (tmp_path / "address").write_text(url)
    more = "secret_file: signing, groups: all, personal: true}}\n"
    for where in (f"url: '{url}'", "url_file: address"):
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path, f"targets: {{queue: {{kind: webhook, {where}, {more}")
        assert fault in str(caught.value)
        assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_ü" + "A" * 40]
)
def test_a_signing_secret_has_the_form_of_standard_webhooks(tmp_path, secret):
    """The library would sign with whatever base64 it finds in a text, so the form is checked here."""
    (tmp_path / "signing").write_text(secret)
    with pytest.raises(ConfigurationError, match="invalid signing secret") as caught:
        load(tmp_path, WEBHOOK % "personal: false")
    assert secret == "whsec_" or secret not in str(caught.value)


def test_a_missing_secret_is_reported(tmp_path, monkeypatch):
    """A missing file or variable is named."""
    monkeypatch.delenv("TEAM_URL")
    (tmp_path / "signing").unlink()
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, TARGETS)
    assert "signing: No such file or directory" in str(caught.value)
    assert "TEAM_URL is not set" in str(caught.value)


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    """Programs that deliver, and `check`, say which extra to install; reviewers need none."""
    monkeypatch.setattr(notice_targets, "find_spec", lambda _name: None)
    why = "target `team` needs apprise, which is not installed; install pm-autoaccept[notify]"
    with pytest.raises(ConfigurationError, match="team") as caught:
        load(tmp_path, TARGETS)
    assert str(caught.value) == f"{tmp_path}/settings.yaml:8: {why}"
    with pytest.raises(ConfigurationError, match="apprise"):
        policy_names(tmp_path / "settings.yaml")
    assert review_settings(settings=tmp_path / "settings.yaml").reviewers == {}


def test_the_targets_on_the_page_are_read(tmp_path, monkeypatch):
    """Whoever copies the example and brings the secrets has its targets."""
    page = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "queue").write_text(SIGNING)
    (tmp_path / "secrets" / "benchmarking-mail").write_text(MAIL)
    monkeypatch.setenv("SUPERVISORS_CHAT", "slack://T1/B2/TOKEN")
    targets = load(tmp_path, page.partition("```yaml\n")[2].partition("```")[0]).targets
    assert list(targets) == ["queue", "benchmarking-team", "supervisors"]
    assert all(f"| `{kind}" in page or f"`{kind}`" in page for kind in NoticeKind)
