# The workflow. `make run` and `make test` are all a fresh machine with git, make and Python >= 3.11 needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
endif
BIN := .venv/bin
KILLS ?= 200
RUN_LOCKS := requirements/runtime.txt requirements/build.txt

.PHONY: help run setup test test-setup test-fast test-crash test-containers check format bench bench-files lock vendor words clean

help: ## What can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup ## Serve http://localhost:8080 (PORT) with the data in data/ (DATA_DIR)
	@exec $(BIN)/timetracker serve

setup: .venv/installed ## Make .venv with what TimeTracker needs to run

.venv/installed: $(RUN_LOCKS) pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed, and none was found." >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python cannot make virtual environments here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test: test-setup ## Everything: SQLite, PostgreSQL, browser
	@$(BIN)/pytest -n auto --ignore=tests/containers $(ARGS)

test-crash: .venv/tested ## Kill the server KILLS (200) times and look what is left; fill its disk, take its files
	@$(BIN)/pytest -n auto --kills $(KILLS) tests/crash $(ARGS)

test-containers: .venv/tested ## The image in a real engine (docker info must answer)
	@$(BIN)/pytest -p no:randomly tests/containers $(ARGS)

test-fast: test-setup ## What needs no browser
	@$(BIN)/pytest -n auto -m "not browser" --ignore=tests/containers $(ARGS)

test-setup: .venv/tested ## Install what tests need, a browser included
	@$(BIN)/python tools/find_chromium.py --install

.venv/tested: .venv/installed requirements/test.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

check: .venv/tested ## Format, lint, types, import contracts, house rules
	@$(BIN)/ruff format --check --quiet . || { echo "Run make format." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .venv/imports.log || { cat .venv/imports.log; exit 1; }
	@$(BIN)/djlint --quiet --lint app/templates
	@! docker compose version >/dev/null 2>&1 || docker compose config --quiet
	@! command -v hadolint >/dev/null || hadolint Dockerfile
	@$(BIN)/pytest -q -p no:cacheprovider tests/architecture
	@echo "All checks passed."

format: .venv/tested ## Format the code
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

bench: .venv/tested ## Measure the numbers of docs/operate/performance.md
	@$(BIN)/python -m bench

bench-files: .venv/tested ## Measure backups, doctor and attachments: docs/operate/performance-files.md
	@$(BIN)/python -m bench.safekeeping

lock: .venv/tested ## Renew the locks from pyproject.toml: names, versions and hashes only
	@printf 'hatchling\neditables\n' > .venv/build.in
	@for lock in "build .venv/build.in" "runtime pyproject.toml --extra postgres" "test pyproject.toml --extra postgres --extra test"; do \
		set -- $$lock; name=$$1; shift; \
		$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 "$$@" -o requirements/$$name.txt; done

vendor: .venv/tested ## Renew app/static/vendor from package-lock.json (needs npm)
	@$(BIN)/python tools/vendor.py

words: .venv/tested ## Bring app/translations up to date with the code
	@$(BIN)/python tools/words.py

clean: ## Remove what was made, never data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist *.egg-info
	@find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
