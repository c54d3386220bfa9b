# Everything that is done here by hand or by CI. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
# Three times as many as there are processors: many tests wait for clocks and other processes.
WORKERS = $(shell expr $$(nproc) \* 3)
TYPED = core sandbox bench tests tools $(wildcard function_app.py)
# What Python compiles is kept, also where the environment (of a container, often) says otherwise:
# each worker of the tests and each process they start would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup ready ready-demo run bench mutants new-guard test collect check lint infra-check \
	infra-compile package fuzz format lock audit clean docs

help: ## List what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## Install everything the project needs into .venv and .tools
	@tools/setup.sh

# What all other targets start with: takes no time when everything is in place.
ready:
	@tools/setup.sh --quiet

ready-demo:
	@tools/setup.sh --quiet demo

run: ready-demo ## Play the demo against a tenant on this machine (ARGS=--once to end after one round)
	@$(PYTHON) -m sandbox demo $(ARGS)

bench: ready ## Measure speed, memory and cost on simulated tenants (ARGS=--quick: some minutes)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-bench.txt
	@$(PYTHON) -m bench $(ARGS)

mutants: ready ## Change the core in small ways and count what the tests notice (ARGS="run --show")
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.txt
	@$(PYTHON) -m tools.mutation_testing $(ARGS)

test: ready ## Lint, types, import contracts, infrastructure and all tests
	@$(MAKE) --jobs=2 --output-sync=target lint infra-check collect
	@echo "==> pytest: the tests"
	@$(PYTHON) -m pytest --numprocesses=$(WORKERS) --durations=10 $(ARGS)

# The first process that imports something compiles it, and those that begin at the same time do so
# all at once: before several of them run the tests, one looks at what there is to run that is new
# since one did; at everything, where what runs it is.
COMPILED = .pytest_cache/compiled
NEW_FILES = $(foreach file,$?,$(if $(filter test_%,$(notdir $(file))),$(file)))
NEW_TESTS = $(if $(filter-out %.py,$?),tests,$(strip $(NEW_FILES)))

collect: ready $(COMPILED)

$(COMPILED): Makefile pyproject.toml requirements-dev.txt $(shell find $(TYPED) -name '*.py') | ready
	@echo "==> pytest: what there is to test"
	@$(if $(or $(ARGS),$(NEW_TESTS)),found=$$($(PYTHON) -m pytest --numprocesses=0 --collect-only -qq \
		$(or $(ARGS),$(NEW_TESTS))) || { echo "$$found"; exit 1; },true)
	@$(if $(ARGS),true,mkdir -p $(@D) && touch $@)

check: test ## The same as make test

new-guard: ready ## Write a new guard with test, scene and documents (NAME=open-things TITLE=... READS=Get-...)
	@$(PYTHON) -m tools.new_guard "$(NAME)" --title "$(TITLE)" --reads "$(READS)"

lint: ready ## Lint, format, types, import contracts and workflows
	@echo "==> ruff check: lint"
	@$(PYTHON) -m ruff check .
	@echo "==> ruff format: layout"
	@$(PYTHON) -m ruff format --check .
	@echo "==> mypy: types"
	@$(PYTHON) -m mypy $(TYPED)
	@echo "==> lint-imports: which module may import which"
	@.venv/bin/lint-imports
	@echo "==> actionlint, zizmor: the workflows"
	@$(PYTHON) -m tools.workflow_lint

fuzz: ready ## Feed every parser with coverage-guided chance (ARGS=--seconds=N for each)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	@$(PYTHON) -m tests.resilience.fuzz.driver $(ARGS)

infra-check: ready ## Bicep, queries and security of infra/, without Azure
	@echo "==> infra-check: Bicep, queries, security"
	@$(PYTHON) -m tools.bicep_lint
	@$(PYTHON) -m tools.infra_compile

infra-compile: ready ## The same with the real tools: bicep, pwsh, Pester, PSScriptAnalyzer, as far as there are any
	@$(PYTHON) -m tools.infra_compile $(ARGS)

package: ready ## Build what is deployed into dist/: zip, bill of materials, checksums
	@$(PYTHON) -m tools.package $(ARGS)

format: ready ## Put the layout of all files in order
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

lock: ready ## Pin what may be installed, with hashes (ARGS=--upgrade for newer versions)
	@tools/lock.sh $(ARGS)

docs: ready ## Build the documents as a site in dist/site, every link checked (ARGS=--repository=...)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@$(PYTHON) -m tools.docs_site --mkdocs .venv/bin/mkdocs $(ARGS)

audit: ready ## Ask PyPI and npm for known holes in what is locked; fails where they cannot be asked
	@tools/audit.sh

clean: ## Remove everything that set-up and the tools made
	rm -rf .venv .tools dist build mutants .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
