# fanout's own chores. Needs git, make and Python 3.11 or newer; everything else goes into .venv.

ifndef PYTHON
PYTHON := $(shell for each in python3.11 python3 python3.12 python3.13 python; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$each"; break; }; done)
endif
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help install demo test lint check bench lock picture clean

help:
	@echo "make demo     an inventory of a simulated organization, with no AWS account"
	@echo "make test     all tests"
	@echo "make lint     format, lint, types, architecture"
	@echo "make check    make lint, and all tests under coverage"
	@echo "make bench    the numbers, one JSON line each"
	@echo "make lock     requirements.lock again, from pyproject.toml"
	@echo "make picture  docs/images/run.svg again, from a real run"
	@echo "make clean    remove what these commands leave behind, but for .venv"

install: $(STAMP)

# Hashes and -e cannot be mixed in one call of pip: first what the lock names, then fanout itself.
$(STAMP): requirements.lock pyproject.toml setup.py
	@test -n "$(PYTHON)" || { echo "fanout needs Python 3.11 or newer, and found none; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "fanout needs Python 3.11 or newer; $(PYTHON) is `"$(PYTHON)" --version 2>&1`" >&2; exit 1; }
	@echo "Making .venv with `"$(PYTHON)" --version`, and installing what requirements.lock names (about 90 s the first time) ..."
	@"$(PYTHON)" -m venv .venv || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install -qq --require-hashes -r requirements.lock
	@echo "Installing fanout itself, editable ..."
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	$(BIN)/fanout run describe-instances --accounts org --sandbox -o table

# COVERAGE=1 measures it, and fails where too little of fanout was run.
test: $(STAMP)
	$(if $(COVERAGE),$(BIN)/coverage erase)
	$(BIN)/$(if $(COVERAGE),coverage run -m pytest,pytest) -q -n auto --dist worksteal
	$(if $(COVERAGE),$(BIN)/coverage combine --quiet)
	$(if $(COVERAGE),$(BIN)/coverage report)

lint: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint
	$(MAKE) test COVERAGE=1

# Those that answer a question; the other files of benchmarks/ are run by these. All run, even where one's bound is broken.
BENCHMARKS := startup ledger overhead connections latency memory exec_cpu changing

bench: $(STAMP)
	@failed=; for each in $(BENCHMARKS); do $(BIN)/python "benchmarks/$$each.py" || failed="$$failed $$each"; done; \
		test -z "$$failed" || { echo "out of bounds:$$failed" >&2; exit 1; }

# --universal: one lock for all platforms and for Python 3.11 and newer. No addresses: where packages come from is pip's matter.
lock: $(STAMP)
	@$(BIN)/uv --version >/dev/null 2>&1 || $(PIP) install -qq uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		-p 3.11 --extra sandbox --group dev pyproject.toml -o requirements.lock

picture: $(STAMP)
	$(BIN)/python docs/picture.py

clean:
	rm -rf build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find fanout plugins tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
