"""What follows from tests: that another comes out true, or unknown, wherever they do; or that no value passes both.

All is proved from the text; where nothing is proved, the answer is no. Not seen: what follows from the contents of
data, from `same_as`, from `today`, from two different fields, from patterns, and from two tests that clean differently,
unless the one that does not clean names its values.
"""

from __future__ import annotations

from typing import Any

from pm_autoaccept.policy.cleaning import cleaned
from pm_autoaccept.policy.conditions import Column, Comparison, Condition, Lookup, SameAs, Split, Test
from pm_autoaccept.policy.lint.normal_form import All, Atom, Case, Normal, Some, cases_of, normal
from pm_autoaccept.policy.operators import Takes
from pm_autoaccept.policy.values import FieldType, Relative

_VALUES = frozenset({"equals", "in"})
_PARTS = frozenset({"starts_with", "ends_with", "contains"})
_LOWER, _UPPER = {"at_least": False, "above": True}, {"at_most": False, "below": True}
"""Operators that bound a value from below, or from above, and whether the bound itself is left out."""
_AS_IT_IS = ((), None)
_TURNED = {"at_least": "below", "above": "at_most", "at_most": "above", "below": "at_least"}


def follows(case: Case, condition: Normal) -> bool:
    """Whether a condition comes out true or unknown wherever all tests of a case do."""
    if isinstance(condition, All):
        return all(follows(case, part) for part in condition.parts)
    if isinstance(condition, Some):
        return any(follows(case, part) for part in condition.parts)
    return any(_implies(atom, condition) for atom in case)


def never_true(condition: Normal) -> bool:
    """Whether no request makes it true: in each of its cases two tests exclude each other."""
    cases = cases_of(condition)
    return bool(cases) and all(
        any(_exclude(one, other) for index, one in enumerate(case) for other in case[index + 1 :]) for case in cases
    )


def _implies(one: Atom, other: Atom) -> bool:  # noqa: PLR0911 - one for each pair of kinds of tests
    """Whether the other comes out true or unknown wherever the one does."""
    a, b = one.test, other.test
    if one.negated is other.negated and _key(a) == _key(b):
        return True
    if isinstance(a, Split):
        return _asks_whether_there(a, b, there=other) or _of_every_part_and_of_some(one, a, other, b)
    if not isinstance(a, Comparison) or not isinstance(b, Comparison) or not _on_one_value(a, b) or _is_absent(one):
        return False
    if _is_present(other):
        # Every test but the one for absence needs a value; what is left after cleaning was there before.
        return _as_read(b) in (_AS_IT_IS, _as_read(a))
    if _is_present(one) or _is_absent(other) or a.source or b.source:
        return False
    if (values := named_values(one)) is not None:
        return all(_tried(value, a, other) is True for value in values)
    return _as_read(a) == _as_read(b) and not _moves(a) and not _moves(b) and _wider(one, a, other, b)


def _wider(one: Atom, a: Comparison, other: Atom, b: Comparison) -> bool:
    """Of two tests on the same value, the first of which does not name its values: whether it leads to the other."""
    if a.operator.name in _VALUES and b.operator.name in _VALUES:
        return one.negated and other.negated and set(b.literals) <= set(a.literals)
    if a.operator.name in _PARTS and not one.negated and not other.negated:
        return b.operator.name in {a.operator.name, "contains"} and all(
            any(b.operator.holds(text, part) for part in b.literals) for text in a.literals
        )
    return _bound_follows(_bound(one), _bound(other))


def _exclude(one: Atom, other: Atom) -> bool:
    """Whether no value makes both true."""
    a, b = one.test, other.test
    if one.negated is not other.negated and _key(a) == _key(b):
        return True
    if isinstance(a, Split) or isinstance(b, Split):
        return _is_split_and_absent(one, other) or _is_split_and_absent(other, one)
    if not isinstance(a, Comparison) or not isinstance(b, Comparison) or not _on_one_value(a, b):
        return False
    if _is_absent(one) or _is_absent(other):
        absent, asked = (a, b) if _is_absent(one) else (b, a)
        # Blank after cleaning is not blank before it: only the same cleaning, or none, says the same.
        return _is_absent(one) is not _is_absent(other) and _as_read(absent) in (_AS_IT_IS, _as_read(asked))
    if a.source or b.source or _is_present(one) or _is_present(other):
        return False
    return _none_passes(one, a, other) or _none_passes(other, b, one) or _apart(one, a, other, b)


def _is_split_and_absent(one: Atom, other: Atom) -> bool:
    """Whether one asks parts of what is absent by the other."""
    a, b = one.test, other.test
    if not isinstance(a, Split) or not isinstance(b, Comparison) or not _is_absent(other):
        return False
    return _as_read(b) == _AS_IT_IS and _name(a.field) == _name(b.field)


def _asks_whether_there(split: Split, test: Test, *, there: Atom) -> bool:
    """Whether the other asks whether that is there at all which is split."""
    if not isinstance(test, Comparison) or not _is_present(there) or _as_read(test) != _AS_IT_IS:
        return False
    return _name(split.field) == _name(test.field)


def _of_every_part_and_of_some(one: Atom, a: Split, other: Atom, b: Test) -> bool:
    """Whether the first asks of every part what the second asks of some: there is a part. `not` turns them."""
    if not isinstance(b, Split) or one.negated is not other.negated or _key(a)[:3] != _key(b)[:3]:
        return False
    return a.part_of.every is not one.negated and b.part_of.every is other.negated


def _none_passes(named: Atom, test: Comparison, asked: Atom) -> bool:
    """Whether no value that a test names passes the other."""
    values = named_values(named)
    return values is not None and all(_tried(value, test, asked) is False for value in values)


def _on_one_value(a: Comparison, b: Comparison) -> bool:
    """Whether both ask the same field of a request. Columns are left aside: a blank cell there is our gap."""
    return not isinstance(a.field, Column) and not isinstance(b.field, Column) and _name(a.field) == _name(b.field)


def _name(field: Any) -> str:  # noqa: ANN401 - a field or a column
    return str(field.name).casefold()


def _as_read(test: Comparison) -> tuple[Any, ...]:
    """How the value is made ready to be compared."""
    return (test.clean, test.read_as)


def _is_present(atom: Atom) -> bool:
    test = atom.test
    return isinstance(test, Comparison) and test.operator.name == "present" and test.literals[0] is not atom.negated


def _is_absent(atom: Atom) -> bool:
    test = atom.test
    return isinstance(test, Comparison) and test.operator.name == "present" and test.literals[0] is atom.negated


def _moves(test: Comparison) -> bool:
    return any(isinstance(literal, Relative) for literal in test.literals)


def named_values(atom: Atom) -> tuple[Any, ...] | None:
    """The values that there can be, where the test names them one by one; None where it does not."""
    test = atom.test
    if not isinstance(test, Comparison) or test.operator.name not in _VALUES or test.source or _moves(test):
        return None
    if not atom.negated:
        return test.literals
    booleans = test.field.type is FieldType.BOOLEAN
    return tuple(value for value in (True, False) if value not in test.literals) if booleans else None


def _tried(value: Any, named: Comparison, asked: Atom) -> bool | None:  # noqa: ANN401 - a value of the field's type
    """What the asked test says of a value that the other names; None where that cannot be told."""
    test = asked.test
    if not isinstance(test, Comparison) or named.read_as != test.read_as or _moves(test):
        return None
    if test.operator.takes is Takes.YES_OR_NO:
        # Whether a value is taken does not hang on the value.
        return None
    if named.clean != test.clean:
        if named.clean or not isinstance(value, str):
            return None
        value = cleaned(value, test.clean)
        if not value:
            return False
    return any(test.operator.holds(value, literal) for literal in test.literals) is not asked.negated


def _bound(atom: Atom) -> tuple[str, Any] | None:
    """The operator and the literal of a test that bounds a value on one side, `not` turned."""
    test = atom.test
    if not isinstance(test, Comparison) or test.operator.name not in _TURNED:
        return None
    return (_TURNED[test.operator.name] if atom.negated else test.operator.name), test.literals[0]


def _bound_follows(one: tuple[str, Any] | None, other: tuple[str, Any] | None) -> bool:
    if one is None or other is None:
        return False
    for side, sign in ((_LOWER, 1), (_UPPER, -1)):
        if one[0] in side and other[0] in side:
            if one[1] == other[1]:
                return side[one[0]] or not side[other[0]]
            return bool(one[1] > other[1]) is (sign > 0)
    return False


def _apart(one: Atom, a: Comparison, other: Atom, b: Comparison) -> bool:
    """Whether the lower bound of one is above the upper bound of the other."""
    if _as_read(a) != _as_read(b) or _moves(a) or _moves(b):
        return False
    return any(_above(_bound(low), _bound(high)) for low, high in ((one, other), (other, one)))


def _above(low: tuple[str, Any] | None, high: tuple[str, Any] | None) -> bool:
    if low is None or high is None or low[0] not in _LOWER or high[0] not in _UPPER:
        return False
    return bool(low[1] > high[1]) or (low[1] == high[1] and (_LOWER[low[0]] or _UPPER[high[0]]))


def _key(test: Test) -> tuple[Any, ...]:
    """What makes two tests the same."""
    if isinstance(test, SameAs):
        return ("same_as", _name(test.field), _name(test.other), test.within, test.clean, test.read_as)
    if isinstance(test, Lookup):
        return ("lookup", test.source.name, tuple(map(_name, test.by)), _condition_key(test.where))
    if isinstance(test, Split):
        what = (test.part_of.separators, _condition_key(test.test))
        return ("split", _name(test.field), what, test.part_of.every)
    if test.operator.name == "matches":
        literals: tuple[Any, ...] = tuple(pattern.pattern for pattern in test.literals)
    else:
        literals = tuple(sorted(set(map(repr, test.literals))))
    operator = "in" if test.operator.name in _VALUES else test.operator.name
    return (operator, _name(test.field), literals, test.source, test.clean, test.read_as)


def _condition_key(condition: Condition) -> tuple[Any, ...]:
    def key(part: Normal) -> tuple[Any, ...]:
        if isinstance(part, Atom):
            return (part.negated, _key(part.test))
        return (type(part).__name__, *map(key, part.parts))

    return key(normal(condition))
