# Every command of the project. `make demo` and `make test` do their own set-up.

PYTHON ?=
TORCH_INDEX ?=
PEERS_ISOLATED ?=
ARGS ?=

BIN := .venv/bin
ENVIRONMENT = python=$$(sh scripts/find_python.sh $(PYTHON)) && "$$python" scripts/environment.py
TORCH_FROM = $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-newest test-oldest fuzz wheel-test peers tools bench docs tables format clean distclean

help: ## this list
	@echo "make TARGET [VARIABLE=value ...]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'
	@echo
	@echo "  PYTHON=python3.12   the Python of new environments (default: the first 3.11 or newer that is found)"
	@echo "  TORCH_INDEX=<url>   where torch's wheels come from, e.g. PyTorch's index of CPU wheels"
	@echo "  PEERS_ISOLATED=1    make peers: ignore pip's configuration on this machine"
	@echo "  ARGS='...'          further arguments of demo, test, test-slow and each benchmark"

setup: ## make .venv, or bring it up to date
	@$(ENVIRONMENT) project $(TORCH_FROM)

demo: setup ## train, measure and draw something small, offline
	@$(BIN)/visus demo $(ARGS)

test: setup ## every check and every test that is not slow
	@$(BIN)/python scripts/checks.py $(ARGS)

test-slow: setup ## the tests that take more than a minute each
	@$(BIN)/python -m pytest -m slow $(ARGS)

test-newest: ## the tests with the newest torch and all else that pyproject.toml allows, in .newest (about 5 GB)
	@$(ENVIRONMENT) newest $(TORCH_FROM)
	@.newest/bin/python -m pytest -m "not slow and not peers" $(ARGS)

test-oldest: ## the same tests with the lowest versions that pyproject.toml allows, in .oldest
	@$(ENVIRONMENT) oldest $(TORCH_FROM)
	@.oldest/bin/python -m pytest -m "not slow and not peers" $(ARGS)

fuzz: setup ## damaged data sets and files, 300 for every reader and file (VISUS_FUZZ, VISUS_FUZZ_SEED: how many, and the first)
	@VISUS_FUZZ=$${VISUS_FUZZ:-300} $(BIN)/python -m pytest tests/data/test_reader_fuzz.py tests/data/test_file_fuzz.py $(ARGS)

wheel-test: setup ## build the wheel, look into it, install it into an empty environment and run the demo there
	@$(BIN)/python scripts/wheel.py $(TORCH_FROM) $(ARGS)

peers: ## make .peers: the published torchvision to compare with (about 5 GB)
	@$(ENVIRONMENT) peers $(TORCH_FROM) $(if $(PEERS_ISOLATED),--isolated)

tools: setup ## make .tools: labelme, datumaro, Label Studio's SDK and FiftyOne, which tests have read what is written for them
	@for tool in labelme datumaro label_studio_sdk fiftyone; do \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --target .tools/$$tool $$tool || exit 1; \
	done

bench: setup ## run every benchmark (those against torchvision need `make peers` first)
	@set -e; for script in $$(grep -l "^if __name__" benchmarks/*.py | grep -v record_run); do \
	    echo "== $$script"; $(BIN)/python "$$script" $(ARGS); \
	done

docs: setup ## build the documentation into build/site; fails on broken links, lost pages and assets of other hosts
	@$(BIN)/python scripts/build_docs.py

tables: setup ## write the tables of benchmarks/results into the documentation
	@$(BIN)/python scripts/result_tables.py

format: setup ## let the formatter and the linter mend what they can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove caches and build products
	@rm -rf build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache .cache
	@find src tests benchmarks examples scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environments too
	@rm -rf .venv .peers .newest .oldest .tools
