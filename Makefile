# The verbs of this project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Temporary files in memory, where programs may run from there.
MEMORY := $(shell awk '$$2 == "/dev/shm" && $$4 !~ /noexec/ {print "TMPDIR=" $$2; exit}' /proc/mounts 2>/dev/null)
# Few examples of Hypothesis, and a process for each core: `make test` has the full number, and one test at a time.
QUICK := $(MEMORY) $(BIN)/pytest --quiet -p no:logging --hypothesis-profile=quick --numprocesses=auto --dist=worksteal \
	-o tmp_path_retention_count=1

.DEFAULT_GOAL := help
.PHONY: demo test slow real example unit security check mutants bench lock clean help

demo: $(READY) ## a workspace to a tested image on a registry, on real components, and run it
	$(BIN)/python -m tests.demo

test: $(READY) check ## checks, unit tests, and end to end on real components
	$(BIN)/pytest --numprocesses=auto --dist=worksteal -m "not engine"
	$(BIN)/pytest -m "engine and not slow"

slow: $(READY) ## what takes minutes more: random walks, shapes of real images, two builders, the services, and the stand-in for pixi
	$(BIN)/pytest -m "engine and slow"

real: $(READY) ## the example, event by event, on the services that tests/real/services.py tells of; else on the rig
	$(BIN)/pytest tests/real

example: $(READY) ## the example for this machine in dist/example, with a lock
	rm -rf dist/example
	PYTHONPATH=src $(BIN)/python -m tests.real dist/example

unit: $(READY) ## the unit tests, in seconds
	$(QUICK) tests/unit -m "not slow and not more_cases"

security: $(READY) ## attacks that need no Docker engine, in a minute
	$(QUICK) tests/security -m "not engine and not slow"

mutants: $(READY) ## break lines of the source at random, and see how many the unit tests notice; SEED=1 for others
	$(MEMORY) $(BIN)/python -m tests.mutants $(if $(SEED),--seed $(SEED))

check: $(READY) ## formatting, types, linters of scripts, Dockerfiles and workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/unit/image/scripts/test_linters.py
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml */action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet action.yml */action.yml .github/workflows

bench: $(READY) ## seconds and bytes of the flow against the usual recipe, in one run
	$(BIN)/python -m tests.bench

lock: $(READY) ## resolve the dependencies anew, with hashes
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.10 \
	  --custom-compile-command "make lock" --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
	  --custom-compile-command "make lock" --output-file requirements/development.txt pyproject.toml --group dev
	echo "uv>=0.11" | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.10 \
	  --custom-compile-command "make lock" --output-file requirements/uv.txt -

# uv comes first because it installs the rest in a tenth of pip's time; everything is checked by hash.
$(READY): requirements/development.txt requirements/uv.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-compile --require-hashes --no-deps \
	  --disable-pip-version-check --requirement requirements/uv.txt
	$(BIN)/uv pip install --quiet --require-hashes --no-deps --python $(BIN)/python \
	  --requirement requirements/development.txt
	touch $@

clean: ## remove what the project made in this folder, and stop the rig
	-test ! -x $(BIN)/python || $(BIN)/python -m tests.rig down
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
