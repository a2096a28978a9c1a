# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each sets up its own virtual environment in .venv from nothing; nothing else needs to be installed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test pytest test-slow test-all docs bench lowest versions lint clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[report]"
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(VENV)/.installed $@

demo: $(VENV)/.installed
	$(BIN)/dlpo demo $(DEMO)

# Types and style are checked beside the tests: together some four minutes on two idle cores.
test: $(VENV)/.installed-dev
	$(MAKE) --no-print-directory --jobs=2 lint pytest

pytest: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 -m "not slow"

# What `make test` leaves out: killed processes, many workers, whole grids, browsers, database servers.
test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 -m slow --durations=20

test-all: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest -n 2

# The documentation, into build/docs; a warning is an error. The pictures: .venv/bin/python scripts/pictures
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The benchmarks of speed, about half an hour on two idle cores, and the tables of docs/performance.md.
BENCHMARKS := overhead imports judging concurrency growth workers grid storages
bench: $(VENV)/.installed-dev
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/page.py

# The oldest Python that is there with the lowest versions of all dependencies; and a run without extras.
lowest: $(VENV)/.installed-dev
	$(BIN)/nox --session bare lowest

# All tests on every Python that is there.
versions: $(VENV)/.installed-dev
	$(BIN)/nox

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
