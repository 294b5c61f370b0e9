# The commands of the README. Each sets up whatever it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2

.PHONY: help setup demo test test-db check format bench db clean

help:
	@echo "make setup    virtual environment with everything pinned"
	@echo "make demo     ingest, evaluate, register; prints the registry and writes an HTML report"
	@echo "make test     the tests, on a PostgreSQL of their own"
	@echo "make test-db  the tests that talk to a database, on NEXUS_TEST_DATABASE_URL"
	@echo "make check    format, lint, types and floors"
	@echo "make bench    the benchmarks against peers, and the full-size truths (long)"
	@echo "make db       start the embedded database and bring it up to date"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" || { echo "$(PYTHON) is not Python 3.11; say which is: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# torch by itself and first: what depends on it then takes this build, whichever was at hand
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python -m nexus demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-db: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "database and not slow"

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m research.benchmarks
	$(BIN)/python -m research.truths --full

db: $(STAMP)
	$(BIN)/nexus db up

clean:
	rm -rf .cache .bench .mypy_cache .pytest_cache .ruff_cache .hypothesis build
