# The commands of a working day. make, because every machine that builds software has it; each target is one line that also
# works without it. `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup test test-all lint types layers check format coverage reference ci clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

setup: .venv  ## Make .venv and install the project with everything that its tests need.

.venv: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -e '.[dev]'
	@touch .venv

test: .venv  ## Run the unit tests: the inner loop.
	$(BIN)/pytest tests/unit

test-all: .venv  ## Run every test.
	$(BIN)/pytest

lint: .venv  ## Check code and format with ruff.
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv  ## Check types with mypy.
	$(BIN)/mypy

layers: .venv  ## Check who imports whom with import-linter.
	$(BIN)/lint-imports --no-logo

check: lint types layers  ## All checks that need no tests.

format: .venv  ## Format the code, and fix what ruff can fix.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

coverage: .venv  ## Check that parse, decide, plan and limits have every branch tested.
	$(BIN)/pytest -q --cov=pm_autoaccept.parse --cov=pm_autoaccept.decide --cov=pm_autoaccept.plan --cov=pm_autoaccept.limits --cov-branch --cov-report=term --cov-fail-under=100 tests/unit/test_parse.py tests/unit/test_decide.py tests/unit/test_plan.py tests/unit/test_limits.py

reference: .venv  ## Generate docs/policy-reference.md from the tables of the policy language.
	$(BIN)/python -m pm_autoaccept.policy.language > docs/policy-reference.md

ci:  ## Run everything that CI runs, from a clean copy of the last commit.
	bash .ci/run

clean:  ## Remove caches and build results, but not .venv.
	rm -rf build dist mutants htmlcov .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
