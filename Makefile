# Every command sets up what it needs, once: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test lint types format check build bench clean

help:            ## these commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## the virtual environment with everything in it

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "alertbot needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)   ## the whole of it on this machine: a portal, an attack, the bot, a Slack
	@$(BIN)/alertbot demo $(ARGS)

test: $(READY)   ## all tests
	@$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(READY)   ## style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)  ## strict types
	@$(BIN)/mypy

format: $(READY) ## put the code in form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

build: $(READY)  ## the wheel and the source archive, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation .

clean:           ## what was built, the environment too
	@rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
