# make demo   install, compare AWAC, SAC and BC on a pushing task, draw the report
# make test   install, lint, test: all that is quick
# make docs   build the site of the documents into site/, without a network
# make test-all    the slow tests too: compilers, simulators over many steps, processes, whole trainings
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.setup-done
RUNS   := $(VENV)/.runs# what the demo needs: the package without tools and extras
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
JOBS   ?= $(shell getconf _NPROCESSORS_ONLN)

.PHONY: setup demo docs test test-slow test-all lint format clean

setup: $(SETUP)

$(SETUP): pyproject.toml constraints.txt
	@echo "==> setting up $(VENV): about two minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -e ".[dev]"
	@touch $@ $(RUNS)

$(RUNS): pyproject.toml constraints.txt
	@echo "==> setting up $(VENV): about a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -e .
	@touch $@

demo: $(RUNS)
	@echo "==> training SAC, AWAC and BC on sawyer-push, five seeds at once; each line says the time left"
	@$(BIN)/bench run --algo sac,awac,bc --env sawyer-push --seeds 5 --jobs $(JOBS) --out demo/runs
	@echo "==> drawing the report"
	@echo "==> open $$($(BIN)/bench report demo/runs --out demo/report)"

docs: $(SETUP)
	@echo "==> building the site"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "==> open site/index.html"

PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses=4 --dist=worksteal

test: lint
	@echo "==> testing what is quick; make test-all tests the rest too"
	@$(PYTEST) -m "not slow"

test-slow: $(SETUP)
	@echo "==> testing what is slow"
	@$(PYTEST) -m slow

test-all: lint
	@echo "==> testing"
	@$(PYTEST)

lint: $(SETUP)
	@echo "==> linting: ruff, ruff format, mypy"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

format: $(SETUP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo site build *.egg-info .mypy_cache .ruff_cache .pytest_cache
