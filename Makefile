# Two commands on a fresh machine: `make demo` and `make test`. Needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install assets browser demo test check format reference bench clean lock

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## Prepare .venv with the command trailwarden in it

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing. Remedy: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11. Remedy: install a newer Python and name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. Remedy: install its venv package (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null; then \
		VIRTUAL_ENV=$(VENV) uv pip sync --quiet --require-hashes requirements.lock; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock; \
	fi
	@if command -v uv >/dev/null; then \
		VIRTUAL_ENV=$(VENV) uv pip install --quiet --no-build-isolation --no-deps --editable .; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .; \
	fi
	@touch $(STAMP)
	@echo "Ready: $(BIN)/trailwarden"

ASSETS := src/trailwarden/faces/web/static/vendor/.installed

assets: install $(ASSETS) ## Put the console's third-party files in place (needs npm)

# Icons are those that templates, modules and pages name.
PAGES := $(shell find src/trailwarden/faces/web -path '*/vendor' -prune -o \( -name '*.html' -o -name '*.py' -o -name '*.js' \) -print)

$(ASSETS): web/package-lock.json scripts/assets.py $(PAGES)
	@$(BIN)/python scripts/assets.py
	@touch $(ASSETS)

browser: install ## Find a Chromium for the console's tests, or install one
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium; } || \
		$(BIN)/playwright install chromium || \
		{ echo "No Chromium for the console's tests. Remedy: install it (Debian and Ubuntu: apt-get install chromium)" >&2; exit 1; }

demo: install ## Run the main job on a simulated AWS organisation
	@$(BIN)/trailwarden demo

test: install assets browser ## Run all tests
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

check: install ## Lint, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

reference: install ## Renew docs/cli.md and docs/detections.md
	@$(BIN)/python -m trailwarden.faces.reference > docs/cli.md
	@$(BIN)/python -m trailwarden.signs.catalogue > docs/detections.md

bench: assets ## Measure ingest, search, sessions, IAM and the console; BENCH_RECORDS sets the size
	@$(BIN)/python -m bench.ingest --records $(or $(BENCH_RECORDS),200000)
	@$(BIN)/python -m bench.search --records $(or $(BENCH_RECORDS),200000)
	@$(BIN)/python -m bench.sessions --records $(or $(BENCH_RECORDS),200000)
	@$(BIN)/python -m bench.correlate --records $(or $(BENCH_RECORDS),200000)
	@$(BIN)/python -m bench.iam
	@$(BIN)/python -m bench.console --records $(or $(BENCH_RECORDS),200000)

lock: ## Renew requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra demo --extra agent --extra postgresql --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade --output-file requirements.lock

clean: ## Remove what was built
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
