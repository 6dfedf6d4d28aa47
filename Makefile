# Two commands matter: `make release` and `make test`. Each sets up what it needs.
PYTHON ?= python3.11
BIN := .venv/bin
PROJECT_FILES := dagster_project assets bench tests
# Releases and tests start many processes: what these import is compiled once, whatever the user's shell says.
export PYTHONDONTWRITEBYTECODE :=

# `label-studio` is the name of a folder too.
.PHONY: label-studio help setup release ui annotate test test-fast bench lint lock

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/.installed  ## a virtual environment from the lock file

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

release: setup  ## the whole lineage on the embedded model, to a release
	@$(BIN)/steerworks run

ui: setup  ## the Dagster UI at http://127.0.0.1:3000
	@$(BIN)/steerworks ui

.label-studio/.installed: label-studio/requirements.lock label-studio/build.lock
	$(PYTHON) -m venv .label-studio
	.label-studio/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r label-studio/build.lock
	.label-studio/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-build-isolation -r label-studio/requirements.lock
	@touch $@

label-studio: .label-studio/.installed

annotate: setup label-studio  ## annotate CAMPAIGN=… with Label Studio on this machine
	@$(BIN)/steerworks annotate serve $(CAMPAIGN)

test: setup lint  ## all checks and tests
	$(BIN)/pytest -n 2 --dist loadfile

# Three workers on two cores, as some tests wait for servers.
test-fast: setup  ## the tests that take no more than a few seconds each
	$(BIN)/pytest -n 3 --dist loadfile -m 'not slow and not browser'

bench: setup  ## how fast loading, generation and the other stages are; see bench/README.md
	@$(BIN)/python -m bench $(ARGS)

lint: setup
	$(BIN)/ruff check $(PROJECT_FILES)
	$(BIN)/ruff format --check $(PROJECT_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/dg check defs

lock:  ## resolve the dependencies anew (needs uv on the PATH)
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock
	uv pip compile label-studio/requirements.in --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file label-studio/requirements.lock
	uv pip compile label-studio/build.in --constraint label-studio/requirements.lock --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file label-studio/build.lock
