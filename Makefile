# Every command sets up what it needs, once: a virtual environment in .venv, made anew when pyproject.toml changes,
# when the folder was moved, or when the Python that it was made with is gone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What is ready says where it was made; anything else is not ready.
ifneq ($(shell test -x $(BIN)/alertbot && $(BIN)/python -c '' 2>/dev/null && cat $(READY) 2>/dev/null),$(CURDIR))
STALE := stale
endif

.PHONY: help setup demo test lint types format check build bench clean $(STALE)

help:            ## these commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## the virtual environment with everything in it

$(READY): pyproject.toml $(STALE)
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here; name one: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "alertbot needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 2; }
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@head -2 $(BIN)/pip 2>/dev/null | grep -qF "$(CURDIR)/$(VENV)/" && $(BIN)/python -m pip --version >/dev/null 2>&1 || rm -rf $(VENV)
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment; install its venv module (Debian, Ubuntu: python3-venv)"; exit 2; }
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --editable '.[dev]' || \
	  { echo "The packages could not be installed; pip says why above. Mend it and run make again: it goes on from here"; exit 2; }
	@echo "$(CURDIR)" > $(READY)

demo: $(READY)   ## the whole of it on this machine: a portal, an attack, the bot, a Slack
	@$(BIN)/alertbot demo $(ARGS)

# Three at once on two cores: tests wait for polls more than they compute. All of a file in one place: some share what they made.
test: $(READY)   ## all tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY)   ## style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)  ## strict types
	@$(BIN)/mypy

format: $(READY) ## put the code in form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

check: lint types test ## all that must hold before a commit

build: $(READY)  ## the wheel and the source archive, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation .

bench: $(READY)  ## how fast and how small, a quarter of an hour; PART="engine ten" measures a part
	@$(BIN)/python -c 'import elastalert, pytz, tzlocal' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --editable '.[dev,bench]'
	@if [ -n "$(PART)" ]; then $(BIN)/python -W ignore -m benchmarks.$(PART); else \
	  missed=0; for part in startup engine rebuild flood elastalert portals; do $(BIN)/python -W ignore -m benchmarks.$$part || missed=1; done; \
	  exit $$missed; fi

clean:           ## take away what was built, the environment too
	@rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
