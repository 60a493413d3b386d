"""Prove from the text of conditions that one implies another, or that a condition can never be true.

Without a proof the answer is no. Not analyzed: the contents of data, `same_as`, `split`, `today`, tests of different
fields, patterns, and tests that clean differently, unless the one that does not clean lists its values.
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
"""Operators that set a lower or an upper bound, and whether they exclude the bound itself."""
_UNCHANGED = ((), None)
_NEGATED_OPERATOR = {"at_least": "below", "above": "at_most", "at_most": "above", "below": "at_least"}


def follows(case: Case, condition: Normal) -> bool:
    """Whether a condition is true or unknown whenever all tests of a case are true or unknown."""
    if isinstance(condition, All):
        return all(follows(case, part) for part in condition.parts)
    if isinstance(condition, Some):
        return any(follows(case, part) for part in condition.parts)
    return any(_implies(atom, condition) for atom in case)


def never_true(condition: Normal) -> bool:
    """Whether no request can make the condition true: in each of its cases two tests contradict each other."""
    cases = cases_of(condition)
    return bool(cases) and all(
        any(_contradict(one, other) for index, one in enumerate(case) for other in case[index + 1 :]) for case in cases
    )


def _implies(one: Atom, other: Atom) -> bool:
    """Whether `other` is true or unknown whenever `one` is."""
    a, b = one.test, other.test
    if one.negated is other.negated and _key(a) == _key(b):
        return True
    if not isinstance(a, Comparison) or not isinstance(b, Comparison) or not _on_one_value(a, b) or _is_absent(one):
        return False
    if _is_present(other):
        # Every test except the one for absence needs a value; what is left after cleaning was there before.
        return _preparation(b) in (_UNCHANGED, _preparation(a))
    if _is_present(one) or _is_absent(other) or a.source or b.source:
        return False
    if (values := named_values(one)) is not None:
        return all(_result_for(value, a, other) is True for value in values)
    comparable = _preparation(a) == _preparation(b) and not _is_relative(a) and not _is_relative(b)
    return comparable and _wider(one, a, other, b)


def _wider(one: Atom, a: Comparison, other: Atom, b: Comparison) -> bool:
    """Whether the first of two tests on one value implies the second, if the first does not list its values."""
    if a.operator.name in _VALUES and b.operator.name in _VALUES:
        return one.negated and other.negated and set(b.literals) <= set(a.literals)
    if a.operator.name in _PARTS and not one.negated and not other.negated:
        return b.operator.name in {a.operator.name, "contains"} and all(
            any(b.operator.holds(text, part) for part in b.literals) for text in a.literals
        )
    return _bound_follows(_bound(one), _bound(other))


def _contradict(one: Atom, other: Atom) -> bool:
    """Whether no value passes both tests."""
    a, b = one.test, other.test
    if one.negated is not other.negated and _key(a) == _key(b):
        return True
    if not isinstance(a, Comparison) or not isinstance(b, Comparison) or not _on_one_value(a, b):
        return False
    if _is_absent(one) or _is_absent(other):
        absent, asked = (a, b) if _is_absent(one) else (b, a)
        # A value can be blank after cleaning and not before it: compare only with the same cleaning, or none.
        return _is_absent(one) is not _is_absent(other) and _preparation(absent) in (_UNCHANGED, _preparation(asked))
    if a.source or b.source or _is_present(one) or _is_present(other):
        return False
    return _no_value_passes(one, a, other) or _no_value_passes(other, b, one) or _bounds_disjoint(one, a, other, b)


def _no_value_passes(named: Atom, test: Comparison, asked: Atom) -> bool:
    """Whether no value that a test lists passes the other test."""
    values = named_values(named)
    return values is not None and all(_result_for(value, test, asked) is False for value in values)


def _on_one_value(a: Comparison, b: Comparison) -> bool:
    """Whether both test the same field of a request. Columns do not count: a blank cell in our data is unknown."""
    return not isinstance(a.field, Column) and not isinstance(b.field, Column) and _name(a.field) == _name(b.field)


def _name(field: Any) -> str:  # noqa: ANN401 - a field or a column
    return str(field.name).casefold()


def _preparation(test: Comparison) -> tuple[Any, ...]:
    """How the value is prepared for the comparison."""
    return (test.clean, test.read_as)


def _is_present(atom: Atom) -> bool:
    test = atom.test
    return isinstance(test, Comparison) and test.operator.name == "present" and test.literals[0] is not atom.negated


def _is_absent(atom: Atom) -> bool:
    test = atom.test
    return isinstance(test, Comparison) and test.operator.name == "present" and test.literals[0] is atom.negated


def _is_relative(test: Comparison) -> bool:
    return any(isinstance(literal, Relative) for literal in test.literals)


def named_values(atom: Atom) -> tuple[Any, ...] | None:
    """The values that pass a test that lists them one by one; None for any other test."""
    test = atom.test
    if not isinstance(test, Comparison) or test.operator.name not in _VALUES or test.source or _is_relative(test):
        return None
    if not atom.negated:
        return test.literals
    booleans = test.field.type is FieldType.BOOLEAN
    return tuple(value for value in (True, False) if value not in test.literals) if booleans else None


def _result_for(value: Any, named: Comparison, asked: Atom) -> bool | None:  # noqa: ANN401 - a value of the field's type
    """The result of a test for a value that another test lists; None if it cannot be determined."""
    test = asked.test
    if not isinstance(test, Comparison) or named.read_as != test.read_as or _is_relative(test):
        return None
    if test.operator.takes is Takes.YES_OR_NO:
        # `taken` depends on other requests, not on the value.
        return None
    if named.clean != test.clean:
        if named.clean or not isinstance(value, str):
            return None
        value = cleaned(value, test.clean)
        if not value:
            return False
    return any(test.operator.holds(value, literal) for literal in test.literals) is not asked.negated


def _bound(atom: Atom) -> tuple[str, Any] | None:
    """The operator and literal of a test that sets a bound, reversed under `not`."""
    test = atom.test
    if not isinstance(test, Comparison) or test.operator.name not in _NEGATED_OPERATOR:
        return None
    return (_NEGATED_OPERATOR[test.operator.name] if atom.negated else test.operator.name), test.literals[0]


def _bound_follows(one: tuple[str, Any] | None, other: tuple[str, Any] | None) -> bool:
    if one is None or other is None:
        return False
    for side, sign in ((_LOWER, 1), (_UPPER, -1)):
        if one[0] in side and other[0] in side:
            if one[1] == other[1]:
                return side[one[0]] or not side[other[0]]
            return bool(one[1] > other[1]) is (sign > 0)
    return False


def _bounds_disjoint(one: Atom, a: Comparison, other: Atom, b: Comparison) -> bool:
    """Whether the lower bound of one test is above the upper bound of the other."""
    if _preparation(a) != _preparation(b) or _is_relative(a) or _is_relative(b):
        return False
    return any(_above(_bound(low), _bound(high)) for low, high in ((one, other), (other, one)))


def _above(low: tuple[str, Any] | None, high: tuple[str, Any] | None) -> bool:
    if low is None or high is None or low[0] not in _LOWER or high[0] not in _UPPER:
        return False
    return bool(low[1] > high[1]) or (low[1] == high[1] and (_LOWER[low[0]] or _UPPER[high[0]]))


def _key(test: Test) -> tuple[Any, ...]:
    """A key that equal tests share."""
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
