# The two commands that matter are `make demo` and `make test`; each sets up what it needs on a fresh machine
# (Python 3.11, pip and make are all that must be there).
PYTHON ?= python3.11
PORT ?= 3000
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready

export RECOUP_HOME ?= $(CURDIR)/.recoup
export BENTOML_DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export OMP_THREAD_LIMIT := 1

.PHONY: help demo test serve bench check format lint types layers tests docs chromium haproxy lock bento container audit sbom clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Recoup needs Python 3.11: install it or name it, make PYTHON=/path/to/python3.11" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m serving.web.assets
	touch $@

demo: $(READY) ## the whole job on this machine: history, models, forecast, service, form, approval (DEMO_EXIT=1 stops after it)
	PORT=$(PORT) $(BIN)/python -m examples.demo

serve: $(READY) ## the service on http://127.0.0.1:$(PORT)
	$(BIN)/recoup serve --port $(PORT)

test: check ## every check: format, lint, types, layers, tests

check: format lint types layers tests

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

tests: $(READY) chromium haproxy
	$(BIN)/coverage erase
	$(BIN)/pytest --numprocesses 2 --dist loadfile --cov --cov-report=term

# The pages are tested in a real browser, replicas behind a real load balancer. Where one is missing and may be
# installed, it is, and that is said. $(1): commands, any of which will do; $(2): Debian's packages; $(3): else.
define debian
@for name in $(1); do command -v $$name >/dev/null && exit 0; done; \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
  echo "No $(firstword $(1)) here: installing Debian's (apt-get install $(2))"; \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null \
    || echo "$(firstword $(1)) could not be installed: $(3)" >&2; \
else echo "No $(firstword $(1)) here and no right to install it: $(3) (apt-get install $(2))" >&2; fi
endef

chromium:
	$(call debian,chromium chromium-browser google-chrome,chromium fonts-liberation,the tests of the pages will fail)

haproxy:
	$(call debian,haproxy,haproxy,the tests of replicas will be skipped)

bench: $(READY) ## every benchmark, or one: BENCH=name; QUICK=1 a minute each, FULL=1 the long version
	$(BIN)/python -m benchmarks $(BENCH)

bento: $(READY) ## build the deployable bento from the promoted models
	BENTOML_HOME=$(RECOUP_HOME)/bentoml PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/bentoml build

container: bento ## the container image of that bento, audited, with its bill of materials (needs Docker)
	cp requirements-serve.lock deploy/
	rm -f deploy/recoup.bento
	BENTOML_HOME=$(RECOUP_HOME)/bentoml $(BIN)/bentoml export recoup:latest deploy/recoup.bento
	docker build --tag recoup:$$($(BIN)/python -c "from serving.app import VERSION; print(VERSION)") deploy

audit: $(READY) ## known vulnerabilities of what the service depends on (asks the vulnerability service)
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r requirements-serve.lock

sbom: $(READY) ## the bill of materials of this environment, build/sbom.cdx.json (CycloneDX)
	mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --of JSON -o build/sbom.cdx.json

docs: $(READY) ## the documentation site in site/: reference generated from the code, broken links refused
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-annotate --no-header --no-emit-index-url --no-emit-find-links --all-extras pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-annotate --no-header --no-emit-index-url --no-emit-find-links -c requirements.lock pyproject.toml -o requirements-serve.lock

clean: ## remove what this checkout wrote, the environment included
	rm -rf .venv .recoup site .mypy_cache .ruff_cache .coverage* .import_linter_cache
