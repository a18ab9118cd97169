# make demo | test | lint | types | check | clean.  Nothing here asks questions.
#   PYTHON=python3.12 make test     another Python for a new .venv
#   make test ARGS='-m "not slow"'  options for pytest
#   make test JOBS=0                in one process, as a debugger wants it; by default one per core, at most 8

PYTHON ?= python3
ARGS ?=
JOBS ?= auto

# A file's tests stay together, as they share what was costly to make.
SPREAD := --numprocesses $(JOBS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

VENV := .venv
PY := $(VENV)/bin/python
# Written when an installation is complete; newer metadata or pins make it run again.
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test lint types check clean

help:
	@echo 'make demo    search for a reward function on cartpole, without a key (under 4 minutes)'
	@echo 'make test    run the test suite'
	@echo 'make lint    style (ruff) and the levels of the packages (import-linter)'
	@echo 'make types   types (pyright)'
	@echo 'make check   all three: lint, types, test'
	@echo 'make clean   remove .venv and the caches; runs stay'

demo: $(RUNTIME)
	@echo '== Searching for a reward function on cartpole with the offline designer: no key, no network =='
	$(PY) -m eureka_agent search cartpole --designer offline

test: $(DEV)
	@echo '== Running the test suite =='
	$(PY) -m pytest $(SPREAD) $(ARGS)

lint: $(DEV)
	@echo '== Checking style =='
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(VENV)/bin/lint-imports --no-cache

types: $(DEV)
	@echo '== Checking types =='
	$(PY) -m pyright --pythonpath $(PY)

check: lint types test

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo '$(PYTHON) is older than Python 3.11; name a newer one: PYTHON=python3.12 make ...'; exit 3; }
	@echo '== Creating $(VENV) =='
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 3; }

# Order-only: the interpreter's time stamp is no reason to install again.
$(RUNTIME): pyproject.toml constraints.txt | $(PY)
	@echo '== Installing eureka-agent and the pinned versions it is tested with into $(VENV) (minutes, once) =='
	$(PY) -m pip install --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(PY)
	@echo '== Installing eureka-agent and its development tools into $(VENV) (minutes, once) =='
	$(PY) -m pip install --constraint constraints.txt --editable '.[dev]'
	@touch $(RUNTIME) $@
