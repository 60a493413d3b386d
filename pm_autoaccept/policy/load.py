"""From the files of a folder to a policy, or to the list of everything that is wrong with them."""

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
_MOST_FAULTS = 200
"""Faults that are told: more would be one mistake that was made over and over, or no policy at all."""


@dataclass(slots=True)
class _Folder:
    """What has been read of a folder so far."""

    faults: list[Fault] = field(default_factory=list)
    declared: list[tuple[Text, Source | None]] = field(default_factory=list)
    rules: list[Node] = field(default_factory=list)
    once: dict[str, list[tuple[Text, Node]]] = field(default_factory=lambda: {name: [] for name in _ONCE})
    """What may stand in one file only."""
    all_read: bool = True


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Nearly all that is made stays: to search it for garbage again and again takes a quarter of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def load_checked(files: Mapping[str, bytes]) -> Policy:
    """The policy that these files make, if it passes its own tests: what is to be in force is loaded so.

    Raises:
        PolicyRefused: with every fault that was found, or with every case that fails.
    """
    policy = load(files)
    if failed := [result.fault for result in run_cases(policy) if result.fault is not None]:
        raise PolicyRefused(_told(failed))
    return policy


@_nothing_to_collect()
def load(files: Mapping[str, bytes]) -> Policy:
    """The policy that these files make, with its cases, which are not tried here.

    Args:
        files: file name → contents, of every YAML file in the folder, and of every document that cases may name.

    Raises:
        PolicyRefused: with every fault that was found, up to 200.
    """
    folder = _Folder()
    names = sorted(name for name in files if name.lower().endswith(_POLICY) and not name.endswith(_TESTS))
    for name in names:
        _read_file(name, files[name], folder)
    sources: dict[str, Source | None] = {}
    for declared, source in folder.declared:
        if declared.value in sources:
            folder.faults.append(declared.place.fault(f"data `{declared.value}` is declared twice; rename one of them"))
        sources[declared.value] = source
    private = frozenset(name for node in _once(folder, "private") for name in read_private(node, folder.faults))
    reader = RuleReader(sources, folder.all_read, folder.faults, private)
    rules = _rules(folder, reader)
    _refuse_keys_in_vain(sources, rules, folder.faults)
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
        folder.faults.append(Fault(where, 0, 0, "the folder has no rule; `rules:` with one rule is the least"))
    ids = None if folder.faults else tuple(rule.id for rule in rules)
    tests = CaseReader(files=files, sources=sources, rules=ids, faults=folder.faults)
    cases = tuple(case for name in sorted(files) if name.endswith(_TESTS) for case in tests.file(name))
    if folder.faults:
        raise PolicyRefused(_told(folder.faults))
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


def _refuse_keys_in_vain(sources: Mapping[str, Source | None], rules: tuple[Rule, ...], faults: list[Fault]) -> None:
    """Refuse values of the policy's own lists that nothing which is looked up there can ever be."""
    for name, bys in lookups_by_source(rules).items():
        source = sources.get(name)
        if source is None or not source.values:
            continue
        never = impossible_key_check(source, bys)
        for value, place in zip(source.values, source.places, strict=True):
            if (key := source.cleaned((value,))) is not None and never(key):
                faults.append(place.fault(f"`{value}` can never be found: {describe_lookups(bys)}"))


def _told(faults: list[Fault]) -> tuple[Fault, ...]:
    """The faults in order; of very many the first ones, and how many more there are."""
    ordered = sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column))
    told, more = ordered[:_MOST_FAULTS], len(ordered) - _MOST_FAULTS
    if more > 0:
        told.append(Fault(ordered[_MOST_FAULTS].file, 0, 0, f"there are {more:,} more faults; mend these first"))
    return tuple(told)


def _read_file(name: str, data: bytes, folder: _Folder) -> None:
    if not name.endswith(".yaml"):
        instead = f"{name.rpartition('.')[0]}.yaml"
        message = f"a policy's files end in .yaml; rename it to {instead}, so that it is read"
        folder.faults.append(Fault(name, 1, 1, message))
        folder.all_read = False
        return
    root = source_text.read(name, data, folder.faults)
    if not isinstance(root, Entries):
        folder.all_read = False
        if isinstance(root, Text | Items):
            folder.faults.append(root.place.fault(f"a policy file is a mapping of {listed(_KEYS)}"))
        return
    for key, node in root.entries:
        _read_entry(key, node, folder)
    if all(key.value != "version" for key, _ in root.entries):
        folder.faults.append(root.place.fault("the file lacks `version: 1`"))


def _read_entry(key: Text, node: Node, folder: _Folder) -> None:
    if key.value == "cases":
        folder.faults.append(key.place.fault("cases stand in a file of their own, whose name ends in .test.yaml"))
    elif key.value not in _KEYS:
        meant = perhaps(key.value, _KEYS, synonyms.POLICY)
        folder.faults.append(key.place.fault(f"a policy has no `{key.value}`{meant}; it has {listed(_KEYS)}"))
    elif isinstance(node, Broken):
        folder.all_read = False
    elif key.value == "data":
        folder.declared.extend(read_sources(node, folder.faults))
    elif key.value in folder.once:
        folder.once[key.value].append((key, node))
    elif key.value == "rules":
        _read_rules(node, folder)
    elif not (isinstance(node, Text) and node.value == "1"):
        folder.faults.append(node.place.fault("this program reads `version: 1`"))


def _read_rules(node: Node, folder: _Folder) -> None:
    if isinstance(node, Items):
        folder.rules.extend(node.items)
    else:
        folder.all_read = False
        folder.faults.append(node.place.fault("`rules` is a list; begin each rule with a dash, as `- id: blocked`"))


def _rules(folder: _Folder, reader: RuleReader) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    lines: dict[str, str] = {}
    for node in folder.rules:
        read = reader.rule(node)
        if read is None:
            continue
        written, rule = read
        if written.value in lines:
            message = f"the id `{written.value}` already stands in {lines[written.value]}; each rule has its own"
            folder.faults.append(written.place.fault(message))
        lines[written.value] = f"{written.place.file}, line {written.place.line}"
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _once(folder: _Folder, name: str) -> Iterator[Node]:
    """What stands under a name that may stand in one file only; where it stands again it is refused, and read too."""
    for number, (key, node) in enumerate(folder.once[name]):
        yield node
        if number:
            first = folder.once[name][0][0].place.file
            folder.faults.append(key.place.fault(f"`{name}` already stands in {first}; keep one of them"))


def _digest(files: Mapping[str, bytes], names: list[str]) -> str:
    """A digest of what decides: names and contents, tests left out."""
    digest = hashlib.sha256()
    for name in names:
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
