"""Load a policy from the files of its folder: parse, validate, run its tests, or report every error."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cases.case_files import CaseReader
from pm_autoaccept.policy.cases.runner import run_cases
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.limits import DEFAULT_LIMITS, read_limits
from pm_autoaccept.policy.lookup_keys import describe_lookups, impossible_key_check, lookups_by_source
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.data import read_sources
from pm_autoaccept.policy.parser.rules import RuleReader
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text
from pm_autoaccept.policy.policy import Policy
from pm_autoaccept.policy.private import read_private
from pm_autoaccept.policy.rules import Default, Rule
from pm_autoaccept.policy.time_zone import read_time_zone

_KEYS = ("version", "time_zone", "private", "data", "rules", "default", "limits")
_ONCE = ("time_zone", "private", "default", "limits")
_TESTS, _POLICY = ".test.yaml", (".yaml", ".yml")
_MAX_FAULTS = 200
"""Errors that are reported; more would be one mistake repeated many times, or not a policy at all."""


@dataclass(slots=True)
class _Folder:
    """What has been read from the folder so far."""

    faults: list[Fault] = field(default_factory=list)
    declared: list[tuple[Text, Source | None]] = field(default_factory=list)
    rules: list[Node] = field(default_factory=list)
    once: dict[str, list[tuple[Text, Node]]] = field(default_factory=lambda: {name: [] for name in _ONCE})
    """Keys that are allowed in one file only, with every occurrence."""
    all_read: bool = True


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nearly every object that loading makes is kept, so collecting garbage meanwhile wastes a quarter of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def load_checked(files: Mapping[str, bytes]) -> Policy:
    """Load a policy that passes its own tests; every policy that takes effect is loaded this way.

    Raises:
        PolicyRefused: with every error found, or with every test case that fails.
    """
    policy = load(files)
    if failed := [result.fault for result in run_cases(policy) if result.fault is not None]:
        raise PolicyRefused(_in_order(failed))
    return policy


@_without_garbage_collection()
def load(files: Mapping[str, bytes]) -> Policy:
    """Load a policy and its test cases, which are not run here.

    Args:
        files: file name → contents, of every YAML file in the folder and every document that test cases can name.

    Raises:
        PolicyRefused: with every error found, up to 200.
    """
    folder = _Folder()
    names = sorted(name for name in files if name.lower().endswith(_POLICY) and not name.endswith(_TESTS))
    for name in names:
        _read_file(name, files[name], folder)
    sources: dict[str, Source | None] = {}
    for declared, source in folder.declared:
        if declared.value in sources:
            folder.faults.append(declared.place.fault(f"duplicate data name `{declared.value}`; rename one of them"))
        sources[declared.value] = source
    private = frozenset(name for node in _once(folder, "private") for name in read_private(node, folder.faults))
    reader = RuleReader(sources, folder.all_read, folder.faults, private)
    rules = _rules(folder, reader)
    _refuse_impossible_keys(sources, rules, folder.faults)
    default, limits = Default(), DEFAULT_LIMITS
    zone: tzinfo = UTC
    for node in _once(folder, "default"):
        default = reader.default(node)
    for node in _once(folder, "limits"):
        limits = read_limits(node, folder.faults)
    for node in _once(folder, "time_zone"):
        zone = read_time_zone(node, folder.faults)
    if not folder.rules and folder.all_read:
        where = names[0] if names else "the policy folder"
        folder.faults.append(Fault(where, 0, 0, "the policy has no rules; add `rules:` with at least one rule"))
    ids = None if folder.faults else tuple(rule.id for rule in rules)
    tests = CaseReader(files=files, sources=sources, rules=ids, faults=folder.faults)
    cases = tuple(case for name in sorted(files) if name.endswith(_TESTS) for case in tests.file(name))
    if folder.faults:
        raise PolicyRefused(_in_order(folder.faults))
    return Policy(
        digest=_digest(files, names),
        rules=rules,
        default=default,
        limits=limits,
        time_zone=zone,
        private=private,
        sources={name: source for name, source in sources.items() if source is not None},
        cases=cases,
    )


def _refuse_impossible_keys(sources: Mapping[str, Source | None], rules: tuple[Rule, ...], faults: list[Fault]) -> None:
    """Refuse inline values that can never equal anything that rules look up in them."""
    for name, bys in lookups_by_source(rules).items():
        source = sources.get(name)
        if source is None or not source.values:
            continue
        never = impossible_key_check(source, bys)
        for value, place in zip(source.values, source.places, strict=True):
            if (key := source.cleaned((value,))) is not None and never(key):
                faults.append(place.fault(f"`{value}` can never match: {describe_lookups(bys)}"))


def _in_order(faults: list[Fault]) -> tuple[Fault, ...]:
    """The faults in order; if there are very many, the first ones and the number of the rest."""
    ordered = sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column))
    reported, more = ordered[:_MAX_FAULTS], len(ordered) - _MAX_FAULTS
    if more > 0:
        reported.append(Fault(ordered[_MAX_FAULTS].file, 0, 0, f"{more:,} more errors are not shown; fix these first"))
    return tuple(reported)


def _read_file(name: str, data: bytes, folder: _Folder) -> None:
    if not name.endswith(".yaml"):
        instead = f"{name.rpartition('.')[0]}.yaml"
        message = f"policy files must end in .yaml; rename this file to {instead}"
        folder.faults.append(Fault(name, 1, 1, message))
        folder.all_read = False
        return
    root = source_text.read(name, data, folder.faults)
    if not isinstance(root, Entries):
        folder.all_read = False
        if isinstance(root, Text | Items):
            message = f"a policy file must be a mapping; allowed keys: {listed(_KEYS, 'and')}"
            folder.faults.append(root.place.fault(message))
        return
    for key, node in root.entries:
        _read_entry(key, node, folder)
    if all(key.value != "version" for key, _ in root.entries):
        folder.faults.append(root.place.fault("missing `version: 1` in this file"))


def _read_entry(key: Text, node: Node, folder: _Folder) -> None:
    if key.value == "cases":
        folder.faults.append(key.place.fault("`cases` belongs in a separate file with a name that ends in .test.yaml"))
    elif key.value not in _KEYS:
        meant = perhaps(key.value, _KEYS, synonyms.POLICY)
        message = f"unknown key `{key.value}` in a policy{meant}; allowed keys: {listed(_KEYS, 'and')}"
        folder.faults.append(key.place.fault(message))
    elif isinstance(node, Broken):
        folder.all_read = False
    elif key.value == "data":
        folder.declared.extend(read_sources(node, folder.faults))
    elif key.value in folder.once:
        folder.once[key.value].append((key, node))
    elif key.value == "rules":
        _read_rules(node, folder)
    elif not (isinstance(node, Text) and node.value == "1"):
        folder.faults.append(node.place.fault("unknown version; this program supports `version: 1`"))


def _read_rules(node: Node, folder: _Folder) -> None:
    if isinstance(node, Items):
        folder.rules.extend(node.items)
    else:
        folder.all_read = False
        folder.faults.append(
            node.place.fault("`rules` must be a list; begin each rule with a dash, for example `- id: blocked`")
        )


def _rules(folder: _Folder, reader: RuleReader) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    lines: dict[str, str] = {}
    for node in folder.rules:
        read = reader.rule(node)
        if read is None:
            continue
        written, rule = read
        if written.value in lines:
            message = f"duplicate rule id `{written.value}`, first used in {lines[written.value]}; rename one of them"
            folder.faults.append(written.place.fault(message))
        lines[written.value] = f"{written.place.file}, line {written.place.line}"
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _once(folder: _Folder, name: str) -> Iterator[Node]:
    """The values of a key that is allowed in one file only; a repeated one is refused, but still read."""
    for number, (key, node) in enumerate(folder.once[name]):
        yield node
        if number:
            first = folder.once[name][0][0].place.file
            folder.faults.append(key.place.fault(f"`{name}` is also set in {first}; keep one of them"))


def _digest(files: Mapping[str, bytes], names: list[str]) -> str:
    """A digest of the names and contents of the policy's files, without its tests."""
    digest = hashlib.sha256()
    for name in names:
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
