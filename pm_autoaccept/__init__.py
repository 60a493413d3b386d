"""Answers ENERGY STAR Portfolio Manager connection and share requests by policy.

The way through the house, one module a verb::

    poll ──> parse ──> decide ──> plan ──> act ──> record
     │         │          │         │        │        │
     lists     bytes to   policy    order,   one      intent before,
     and       typed      gives a   side     POST     outcome after;
     facts     requests   verdict   effects  each     nothing else is memory

`cycle` strings the verbs together, `daemon` repeats the cycle, `cli` holds the commands. Each package
below the verbs serves one of them: `portfolio_manager` serves poll and act, `policy` and `reference`
serve decide, `ledger` serves record. `simulator` is a Portfolio Manager in a process.
"""

__version__ = "0.1.0"
