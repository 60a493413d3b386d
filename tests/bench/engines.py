"""The engines that deciding is measured beside, each given the same rules in the form in which it was found fastest.

An engine is given a plain dict of every field's value, read and cleaned beforehand, and says the id of the first rule
that is true. What it makes of that dict for itself is part of its decision, as each request is decided once; where
that can be had beforehand too, the engine stands here a second time. None of them knows of what cannot be learnt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from tests.bench.languages import CEL, REGO, RULE_ENGINE, ZEN, between, said
from tests.bench.requests_made import Values
from tests.bench.rules_made import SHAPES, MadeRule, MadeTest

Ask: TypeAlias = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        takes: from rules to what is asked.
        given: from the values of a request to what it is given, made beforehand.
    """

    name: str
    takes: Callable[[Sequence[MadeRule]], Ask]
    given: Callable[[Values], Any] = dict


def _chunks(rules: Sequence[MadeRule], size: int) -> Iterator[Sequence[MadeRule]]:
    yield from (rules[start : start + size] for start in range(0, len(rules), size))


def _first(parts: Sequence[tuple[Callable[[Any], Any], Sequence[MadeRule]]], given: Any) -> str | None:
    """The rule that the first part with a true one names by its place."""
    for part, rules in parts:
        if (place := part(given)) >= 0:
            return rules[int(place)].id
    return None


def _cel_environment() -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - each engine is imported where it is measured

    types = {name: cel.Type.INT if shape == "number" else cel.Type.STRING for name, shape in SHAPES.items()}
    named = {MadeTest(name, "in", ()).name: each for name, each in types.items()}
    return cel.NewEnv(variables={"kind": cel.Type.STRING, **named})


def _cel_cpp(rules: Sequence[MadeRule], *, beforehand: bool = False) -> Ask:
    environment = _cel_environment()

    def asked(expression: Any) -> Callable[[Any], Any]:
        return lambda activation: expression.eval(activation).value()

    # Its parser goes 32 deep at most.
    parts = [(asked(environment.compile(CEL.ternary(some))), some) for some in _chunks(rules, 28)]
    if beforehand:
        return lambda activation: _first(parts, activation)
    return lambda values: _first(parts, environment.Activation(values))


def _cel_activation(values: Values) -> Any:
    return _cel_environment().Activation(dict(values))


def _cel_rust(rules: Sequence[MadeRule], *, beforehand: bool = False) -> Ask:
    import cel  # noqa: PLC0415 - each engine is imported where it is measured

    parts = [(cel.compile(CEL.ternary(some)).execute, some) for some in _chunks(rules, 50)]
    if beforehand:
        return lambda context: _first(parts, context)
    return lambda values: _first(parts, cel.Context(values))


def _cel_rust_context(values: Values) -> Any:
    import cel  # noqa: PLC0415 - each engine is imported where it is measured

    return cel.Context(dict(values))


def _zen_expression(rules: Sequence[MadeRule]) -> Ask:
    import zen  # noqa: PLC0415 - each engine is imported where it is measured

    parts = [(zen.compile_expression(ZEN.ternary(rules)).evaluate, rules)]
    return lambda values: _first(parts, values)


def _zen_table(rules: Sequence[MadeRule]) -> Ask:
    """A decision table whose first row that fits decides: a column for each field."""
    import zen  # noqa: PLC0415 - each engine is imported where it is measured

    columns = sorted({"kind", *(test.name for rule in rules for test in rule.tests)})

    def cell(test: MadeTest) -> str:
        one = said(test.literals[0])
        told = {
            "in": ", ".join(map(said, test.literals)),
            "starts_with": f"startsWith($, {one})",
            "at_least": f">= {one}",
            "below": f"< {one}",
            "between": f"matches($, {said(between(test))})",
        }
        return told[test.said]

    def row(rule: MadeRule) -> dict[str, str]:
        cells = dict.fromkeys(columns, "") | {"_id": rule.id, "rule": said(rule.id)}
        cells["kind"] = ", ".join(map(said, rule.on))
        return cells | {test.name: cell(test) for test in rule.tests}

    table = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "name": name, "field": name, "type": "expression"} for name in columns],
        "outputs": [{"id": "rule", "name": "rule", "field": "rule", "type": "expression"}],
        "rules": [row(rule) for rule in rules],
    }
    types = {"in": "inputNode", "table": "decisionTableNode", "out": "outputNode"}
    nodes = [{"id": id_, "name": id_, "type": type_, "position": {"x": 0, "y": 0}} for id_, type_ in types.items()]
    nodes[1]["content"] = table
    joined = (("in", "table"), ("table", "out"))
    edges = [{"id": f"{a}-{b}", "type": "edge", "sourceId": a, "targetId": b} for a, b in joined]
    decision = zen.ZenEngine().create_decision(zen.ZenDecisionContent(json.dumps({"nodes": nodes, "edges": edges})))
    return lambda values: decision.evaluate(values)["result"].get("rule")


def _regorus(rules: Sequence[MadeRule]) -> Ask:
    """A chain of `else` in each module, as many as the largest size of one demands."""
    import regorus  # noqa: PLC0415 - each engine is imported where it is measured

    engine = regorus.Engine()
    queries = []
    for number, some in enumerate(_chunks(rules, 2_000)):
        chain = "\nelse := ".join(f"{said(rule.id)} if {{ {REGO.rule(rule)} }}" for rule in some)
        engine.add_policy(f"p{number}.rego", f"package p{number}\nimport rego.v1\ndecision := {chain}\n")
        queries.append(f"data.p{number}.decision")

    def ask(values: Any) -> str | None:
        engine.set_input(values)
        found = (engine.eval_rule(query) for query in queries)
        return next((each for each in found if isinstance(each, str)), None)

    return ask


def _cedar(rules: Sequence[MadeRule]) -> Ask:
    """Every rule a permit; Cedar names all that are true, and the first of them decides."""
    import cedarpy  # noqa: PLC0415 - each engine is imported where it is measured

    def test(each: MadeTest) -> str:
        name, first = f"context.{each.name}", str(each.literals[0])
        told = {
            "in": f"[{', '.join(map(said, each.literals))}].contains({name})",
            "starts_with": f"{name} like {said(f'{first}*')}",
            "at_least": f"{name} >= {first}",
            "below": f"{name} < {first}",
            "between": " || ".join(f"{name} like {said(f'{first}*{last}')}" for last in each.literals[1:]),
        }
        return f"({told[each.said]})"

    def policy(rule: MadeRule) -> str:
        tests = [MadeTest("kind", "in", tuple(map(str, rule.on))), *rule.tests]
        return f"permit(principal, action, resource) when {{ {' && '.join(map(test, tests))} }};"

    policies = cedarpy.PolicySet.from_str("\n".join(map(policy, rules)))
    entities = cedarpy.Entities.from_json_str("[]")
    who = {"principal": 'Account::"a"', "action": 'Action::"ask"', "resource": 'Provider::"p"'}

    def ask(values: Any) -> str | None:
        true = cedarpy.is_authorized({**who, "context": values}, policies, entities).diagnostics.reasons
        return rules[min(int(each.removeprefix("policy")) for each in true)].id if true else None

    return ask


def _rule_engine(rules: Sequence[MadeRule]) -> Ask:
    import rule_engine  # noqa: PLC0415 - each engine is imported where it is measured

    read = [(rule_engine.Rule(RULE_ENGINE.rule(rule)).matches, rule.id) for rule in rules]
    return lambda values: next((id_ for matches, id_ in read if matches(values)), None)


def _json_logic(rules: Sequence[MadeRule]) -> Ask:
    from json_logic import jsonLogic  # noqa: PLC0415 - each engine is imported where it is measured

    def tests(each: MadeTest) -> list[object]:
        name, first = {"var": each.name}, each.literals[0]

        def end(text: object) -> object:
            return {"==": [{"substr": [name, -len(str(text))]}, text]}

        begins = {"==": [{"substr": [name, 0, len(str(first))]}, first]}
        told: Mapping[str, list[object]] = {
            "in": [{"in": [name, list(each.literals)]} if len(each.literals) > 1 else {"==": [name, first]}],
            "starts_with": [begins],
            "at_least": [{">=": [name, first]}],
            "below": [{"<": [name, first]}],
            "between": [begins, {"or": [end(text) for text in each.literals[1:]]}],
        }
        return told[each.said]

    chain: list[object] = []
    for rule in rules:
        kind = MadeTest("kind", "in", tuple(map(str, rule.on)))
        chain += [{"and": [each for test in (kind, *rule.tests) for each in tests(test)]}, rule.id]
    logic = {"if": [*chain, None]}
    return lambda values: jsonLogic(logic, values)


def _cloud_custodian(rules: Sequence[MadeRule]) -> Ask:
    from c7n.filters import FilterRegistry  # noqa: PLC0415 - each engine is imported where it is measured

    class Manager:
        data: Mapping[str, object] = {}
        ctx = None

    registry = FilterRegistry("pending")

    def written(test: MadeTest) -> dict[str, object]:
        one = test.literals[0]
        told: Mapping[str, tuple[str, object]] = {
            "in": ("in", list(test.literals)),
            "starts_with": ("regex", f"^{one}"),
            "at_least": ("gte", one),
            "below": ("lt", one),
            "between": ("regex", between(test)),
        }
        operator, value = told[test.said]
        return {"type": "value", "key": test.name, "op": operator, "value": value}

    def filters(rule: MadeRule) -> list[Callable[[Any], bool]]:
        tests = [MadeTest("kind", "in", tuple(map(str, rule.on))), *rule.tests]
        return registry.parse([written(test) for test in tests], Manager())

    read = [(filters(rule), rule.id) for rule in rules]
    return lambda values: next((id_ for each, id_ in read if all(one(values) for one in each)), None)


ENGINES = (
    Engine("cel-expr-python", _cel_cpp),
    Engine("  its activation beforehand", partial(_cel_cpp, beforehand=True), _cel_activation),
    Engine("common-expression-language", _cel_rust),
    Engine("  its context beforehand", partial(_cel_rust, beforehand=True), _cel_rust_context),
    Engine("zen-engine, one expression", _zen_expression),
    Engine("zen-engine, decision table", _zen_table),
    Engine("regorus (gordon-to-regorus)", _regorus),
    Engine("cedarpy", _cedar),
    Engine("rule-engine", _rule_engine),
    Engine("json-logic (-modernized)", _json_logic),
    Engine("c7n's filters", _cloud_custodian),
)
