# Prewatt: prepaid electricity. Two commands matter: `make run` and `make test`.
# Needs Python 3.11 or newer and make. Everything else comes from the hash-pinned lock files.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PREWATT_SOAK_S ?= 86400
export PREWATT_SOAK_S

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test lint types house journeys browser bench soak tidy docs messages locks python

help: ## say what can be made
	@sed -n 's/^# \(.*\)/\1/p;/^$$/q' Makefile
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

python:
	@test -n "$(PYTHON)" || { echo "error python_missing: Python 3.11 or newer is needed; try make PYTHON=/path/to/python3.11" >&2; exit 2; }

setup: python ## make .venv with .venv/bin/prewatt; starts nothing
	@$(PYTHON) scripts/setup.py

setup-dev: python ## the same with what the tests need
	@$(PYTHON) scripts/setup.py --dev

run: setup ## start everything: database, demo site, web, stream, head-end, worker, simulated meters
	@exec $(BIN)/prewatt up

test: setup-dev ## the whole check: lint, types, house rules, then all tests
	@$(BIN)/python scripts/check.py

tidy: setup-dev ## lint and house rules only
	@$(BIN)/ruff check prewatt tests scripts
	@$(PYTEST) -q tests/house

types: setup-dev ## mypy --strict
	@$(BIN)/mypy

journeys: setup-dev ## the journeys: real head-end, simulated line, virtual clock; and those that kill processes
	@$(PYTEST) tests/journeys

browser: setup-dev ## the console and the portal in a real Chromium
	@$(PYTEST) tests/browser

bench: setup ## the figures of `prewatt bench`, as JSON lines
	@exec $(BIN)/prewatt bench

soak: setup-dev ## the long run; PREWATT_SOAK_S says how many seconds (a day unless told)
	@exec $(BIN)/python scripts/check.py --soak

docs: setup-dev ## check that links in the documents resolve and recipes exist
	@$(PYTEST) -q tests/house/test_docs.py

messages: setup-dev ## for those who write pages: add missing texts to the Chinese catalogue
	@$(BIN)/python scripts/messages.py

locks: setup-dev ## maintainers: compile the lock files anew (needs uv)
	@$(PYTHON) scripts/locks.py
