# Everything from a fresh clone: `make demo` shows Clew, `make test` proves it. Needs Python 3.11 or newer and GNU make.

.PHONY: demo up install test check bench screenshots clean
.DEFAULT_GOAL := demo

PIP := .venv/bin/python -m pip --disable-pip-version-check install --quiet
DATA := $(if $(CLEW_DATA_DIR),$(CLEW_DATA_DIR),data)

# More options for `clew up`, `pytest` or the benchmarks: make demo ARGS="--port 8080"
ARGS ?=

demo: install ## show the sample agent at work, until Ctrl-C
	@CLEW_DATA_DIR="$(DATA)" .venv/bin/clew up --demo $(ARGS)

up: install ## run Clew, until Ctrl-C
	@CLEW_DATA_DIR="$(DATA)" .venv/bin/clew up $(ARGS)

install: .venv/installed ## make .venv with Clew in it

test: .venv/installed-dev ## run all tests
	@sh .ci/system.sh
	@.venv/bin/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS)

check: .venv/installed-dev ## lint, types, architecture
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m mypy
	@.venv/bin/python -m pytest tests/test_architecture.py tests/test_project.py

bench: .venv/installed-dev ## measure, as docs/performance.md tells
	@.venv/bin/python -m bench $(ARGS)

screenshots: .venv/installed-dev ## take the pictures of docs/screenshots.md anew
	@sh .ci/system.sh
	@.venv/bin/python -m tests.screenshots

clean: ## remove .venv and caches, not the data
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Stamps: what is installed once is not installed again, so that all goes on without a network. They hold where they were made:
# what is installed names its directory, and has to be installed anew in a copy of it elsewhere.

$(shell [ "$$(cat .venv/installed 2>/dev/null)" = "$$(pwd)" ] || rm -f .venv/made .venv/installed .venv/installed-dev)

.venv/made:
	@sh .ci/venv.sh
	@touch .venv/made

.venv/installed: .requirements.lock pyproject.toml .venv/made
	@echo "Installing Clew"
	@$(PIP) --no-deps -r .requirements.lock
	@$(PIP) --no-deps -e .
	@pwd >.venv/installed

.venv/installed-dev: .requirements-dev.lock .venv/installed
	@echo "Installing what tests and checks need"
	@$(PIP) --no-deps -r .requirements-dev.lock
	@touch .venv/installed-dev
