# Two commands are all a newcomer needs: `make demo` and `make test`. `make check` is what a change must pass.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One thread a process: the test run uses a process for each core.
ONE_THREAD := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.PHONY: demo test check lint types clean

demo: $(VENV)/.installed
	@$(BIN)/python -m nesy.cli.demo

test: $(VENV)/.installed-tests
	@$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

check: lint types test

lint: $(VENV)/.installed-tests
	@$(BIN)/ruff check nesy tests benchmarks && $(BIN)/ruff format --check nesy tests benchmarks

types: $(VENV)/.installed-tests
	@$(BIN)/pyright

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nesy needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "creating a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The stamps make a second run need no network.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing nesy and its pinned dependencies (some 300 MB of downloads, once)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-tests: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing nesy with its test dependencies (once)"
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .ruff_cache .hypothesis
