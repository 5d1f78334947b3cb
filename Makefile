# `make help` lists the targets. Those that need an environment set it up first (tools/setup.sh, nothing to do when nothing changed).
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format docs golden wheel archive lock setup clean

CACHE := $(or $(CLICKMILL_CACHE),.cache)
UV := UV_CACHE_DIR=$(CACHE)/uv $(CACHE)/boot/bin/uv
IN_ENV := . tools/env.sh && export JAVA_HOME=$$(java_home) &&
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' lib/clickmill/__init__.py)
WHEEL := dist/clickmill-$(VERSION).zip
# Folders too: a file that went makes the wheel stale.
PACKAGED := setup.py pyproject.toml $(shell find lib schemas conf expectations jobs requirements -not -path '*__pycache__*' -not -path '*.egg-info*')

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: setup ## the whole river on a simulated shop; or SOURCE=completejourney; or SOURCE=<name> FILE=<file, folder or glob>
	@$(IN_ENV) .venv/bin/python -m clickmill.demo $(if $(SOURCE),--source '$(SOURCE)') $(if $(FILE),--file '$(FILE)')

test: setup ## all tests, in two processes; or ARGS='<options and files for pytest>'
	@$(IN_ENV) .venv/bin/python -m pytest $(or $(ARGS),-n 2 --dist loadscope --no-loadscope-reorder)

bench: setup ## speed and growth of cleaning and of every job, memory, features of time, the training feed, ranks, networks, the gate, races, truth found at a million events; with GOWALLA=<folder> recommenders and with EXPEDIA=<file> models of bookings too; rewrites benchmarks/RESULTS.md
	@$(IN_ENV) .venv/bin/python -m benchmarks.cleaning
	@$(IN_ENV) .venv/bin/python -m benchmarks.growth
	@$(IN_ENV) .venv/bin/python -m benchmarks.stages
	@$(IN_ENV) .venv/bin/python -m benchmarks.memory
	@$(IN_ENV) .venv/bin/python -m benchmarks.rolling
	@$(IN_ENV) .venv/bin/python -m benchmarks.asof
	@$(IN_ENV) .venv/bin/python -m benchmarks.feed
	@$(IN_ENV) .venv/bin/python -m benchmarks.training
	@$(IN_ENV) .venv/bin/python -m benchmarks.ranks
	@$(IN_ENV) .venv/bin/python -m benchmarks.networks
	@$(IN_ENV) .venv/bin/python -m benchmarks.gate
	@$(IN_ENV) .venv/bin/python -m benchmarks.races
	@$(IN_ENV) .venv/bin/python -m benchmarks.start
	@$(IN_ENV) .venv/bin/python -m benchmarks.truth
	@$(if $(GOWALLA),$(IN_ENV) .venv/bin/python -m benchmarks.gowalla '$(GOWALLA)',echo 'benchmarks.gowalla was left out: give its folder by GOWALLA=')
	@$(if $(EXPEDIA),$(IN_ENV) .venv/bin/python -m benchmarks.expedia '$(EXPEDIA)',echo 'benchmarks.expedia was left out: give its file by EXPEDIA=')

lint: setup ## ruff, format, types, and the direction of imports
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/python -m pytest -q tests/house/test_imports.py

format: setup ## mend what ruff can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

docs: setup ## rewrite docs/tables.md from schemas, expectations and jobs
	@$(IN_ENV) .venv/bin/python -m clickmill.dictionary

golden: ## rewrite tests/golden from spark-submit.sh; read the difference before you commit it
	@rm -rf tests/golden/*/
	@for env in $(notdir $(basename $(wildcard conf/spark/*.conf))); do \
	  mkdir -p tests/golden/$$env; \
	  for job in $(notdir $(basename $(wildcard jobs/*.py))); do \
	    CLICKMILL_CACHE= ./spark-submit.sh $$job --env $$env --date 2024-11-23 --to 2024-12-05 --dry-run >tests/golden/$$env/$$job.txt || exit 1; \
	  done; \
	  if [ -f conf/spark/gpu/$$env.conf ]; then \
	    CLICKMILL_CACHE= ./spark-submit.sh train_ctr_models --env $$env --date 2024-11-23 --to 2024-12-05 --gpu --dry-run \
	      >tests/golden/$$env/train_ctr_models_gpu.txt || exit 1; \
	  fi; \
	  for words in 'run flow --date 2024-11-23 --to 2024-12-05' vacuum; do \
	    name="clickmill $${words%% --*}"; \
	    CLICKMILL_CACHE= ./spark-submit.sh clickmill --env $$env --dry-run -- $$words >tests/golden/$$env/$${name// /_}.txt || exit 1; \
	  done; \
	done

wheel: setup $(WHEEL) ## dist/clickmill-<version>.zip, what spark-submit sends along

$(WHEEL): $(PACKAGED)
	@rm -rf build
	@$(UV) build -q --wheel --no-build-isolation --python .venv/bin/python -o dist .
	@rm -rf build lib/clickmill.egg-info
	@mv dist/clickmill-$(VERSION)-*.whl $@

archive: setup dist/environment.tar.gz ## dist/environment.tar.gz, the Python packages for a cluster

# The archive's Python points at the machine's own: the nodes need one at the same place, or at PYTHON_PREFIX (such as /usr).
dist/environment.tar.gz: requirements/core.txt
	@mkdir -p dist
	@$(UV) venv -q --clear --python .venv/bin/python $(CACHE)/environment
	@$(UV) pip install -q --python $(CACHE)/environment/bin/python --link-mode copy --require-hashes -r requirements/core.txt
	@.venv/bin/venv-pack -q -f -p $(CACHE)/environment $(if $(PYTHON_PREFIX),--python-prefix '$(PYTHON_PREFIX)') -o $@
	@rm -rf $(CACHE)/environment

LOCK := $(UV) pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: setup ## resolve requirements/*.in anew into the hashed locks
	@$(LOCK) requirements/{core,train,demo,notebooks,dev,build}.in -o requirements/lock.txt
	@$(LOCK) requirements/core.in -c requirements/lock.txt -o requirements/core.txt
	@$(LOCK) requirements/boot.in -o requirements/boot.txt
	@$(LOCK) --no-deps --no-binary horovod requirements/horovod.in -o requirements/horovod.txt

setup: ## .venv, Horovod, the Delta jars: all that the other targets need
	@tools/setup.sh

clean: ## remove what was built and downloaded; the lake stays
	@rm -rf .venv $(CACHE) build dist lib/clickmill.egg-info .mypy_cache .pytest_cache .ruff_cache
