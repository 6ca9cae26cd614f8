# `make help` lists what there is. Needs only GNU make (3.81 or newer), a Python named below and the package registry.

# The Python versions that requires-python in pyproject.toml allows (a test compares the two).
PYTHON_VERSIONS = 3.11 3.12 3.13

# The interpreters that `setup` tries, in this order. `make setup PYTHON=/some/python` allows only that one.
CANDIDATES = $(if $(PYTHON),'$(PYTHON)',python3 python3.13 python3.12 python3.11)

# Tests start many processes, which would each compile every module again.
unexport PYTHONDONTWRITEBYTECODE

PY    = .venv/bin/python
PIP   = $(PY) -m pip --disable-pip-version-check
# Each of two gets half of the files, so that a file's fixtures are made once; who is done first takes from the other.
TWO   = $(PY) -m pytest -n 2 --dist worksteal --durations=20
READY = .venv/.installed
DUCKDB_OLDEST = .venv/duckdb-1.5
# Tests of what says SQL: files and their damage, every question, statements of the control plane. The rest of that:
# make test-oldest TOUCHES_DUCKDB='controlplane_* deployment*'
TOUCHES_DUCKDB = store* controlplane_jobs controlplane_metrics controlplane_plane controlplane_presets runs_measures

.DEFAULT_GOAL = help
.PHONY: help demo lab test test-slow test-longest fuzz mutants test-browser test-prometheus test-oldest test-pythons smoke docs gallery dist bench lint lock audit licences setup clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1@/p' Makefile | awk -F@ '{ printf "%-19s%s\n", $$1, $$2 }'

demo: $(READY) ## Simulate working weeks and render reports on them
	.venv/bin/simkit run data/scenarios/workweek.yaml --seed 7 --out reports/workweek.duckdb
	.venv/bin/simkit report notebooks/01-capacity.ipynb -p scenario=data/scenarios/workweek.yaml
	.venv/bin/simkit report notebooks/02-expiration.ipynb -p scenario=data/scenarios/lifecycle.yaml
	.venv/bin/simkit report notebooks/05-decide.ipynb -p scenario=data/scenarios/three-regions.yaml -p preset=backend-us
	.venv/bin/simkit recommend data/scenarios/three-regions.yaml --preset backend-us --max-schedules 1
	@echo; echo "To paste into the preset of backend-us (the same with --format terraform):"; echo
	@.venv/bin/simkit recommend data/scenarios/three-regions.yaml --preset backend-us --max-schedules 1 --format terraform

lab: $(READY) ## Open JupyterLab where the questions are
	.venv/bin/jupyter lab notebooks/00-start-here.ipynb

test: $(READY) ## Run the tests, but for the slow ones, two at a time
	$(TWO)

test-slow: $(READY) ## Run the slow tests alone, two at a time
	$(TWO) -m slow

test-longest: $(READY) ## Run what takes longer still: every pool and life of Coder's answers, many scenarios on both engines, 100 histories
	$(TWO) -m longest

# As many times the inputs that `make test` draws, other ones each time. A failure prints what brings it back.
FUZZ = 150

fuzz: $(READY) ## Draw hostile inputs for every reader, for about an hour (`make fuzz FUZZ=10` takes minutes)
	SIMKIT_FUZZ=$(FUZZ) $(TWO) tests/test_fuzz.py

# How many slips are made, and which (a number that a run has printed); MUTANTS=0 makes all, which takes hours.
MUTANTS = 200
SEED =

mutants: $(READY) ## Make small slips in the rules and decisions, one at a time, and see that tests notice 95 % of them
	$(PY) tests/mutate.py --many $(MUTANTS) $(if $(SEED),--seed $(SEED))

# Playwright brings no browser here: it drives the Chromium that the machine has (Debian: apt install chromium).
test-browser: $(READY) ## Run every notebook, the panel, the index and the pages in a real browser
	$(PIP) install --quiet --require-hashes -r requirements-browser.lock
	$(PY) -m pytest -m browser

test-prometheus: $(READY) ## Let a Prometheus read our metrics, if it is installed (Debian: apt install prometheus)
	$(PY) -m pytest -m prometheus

# Why -W: that DuckDB calls pandas with a keyword that pandas 3.1 deprecates.
test-oldest: $(DUCKDB_OLDEST)/.installed ## Run what touches DuckDB with the oldest DuckDB we support
	PYTHONPATH="$(CURDIR)/$(DUCKDB_OLDEST)" $(PY) -c 'import duckdb; v = duckdb.__version__; print("duckdb", v); assert v.startswith("1.5."), v'
	PYTHONPATH="$(CURDIR)/$(DUCKDB_OLDEST)" $(TWO) -W 'ignore:The inplace keyword:DeprecationWarning' \
	  $(patsubst %,tests/test_%.py,$(TOUCHES_DUCKDB))

# A shim of pyenv stands for an interpreter that runs only if it is asked for.
smoke: ## Simulate, ask, check, test a little and compare all numbers on the newest Python, if it is installed
	@newest=$(lastword $(PYTHON_VERSIONS)); \
	export PYENV_VERSION=$$(pyenv latest $$newest 2>/dev/null); [ -n "$$PYENV_VERSION" ] || unset PYENV_VERSION; \
	if ! python$$newest -c '' 2>/dev/null; then echo "Python $$newest is not installed: no smoke run"; exit 0; fi; \
	set -e; echo "smoke run on Python $$newest"; \
	python$$newest -m venv --clear .venv-newest; \
	.venv-newest/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements.lock; \
	.venv-newest/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .; \
	.venv-newest/bin/simkit run data/scenarios/workweek.yaml --seed 7 --replications 2 --out .venv-newest/runs.duckdb; \
	.venv-newest/bin/simkit ask .venv-newest/runs.duckdb summary; \
	.venv-newest/bin/simkit check examples/template; \
	.venv-newest/bin/python -m pytest -q -n 2 --dist worksteal tests/test_core_kernel.py tests/test_cron.py tests/test_clock.py \
	  tests/test_documents.py tests/test_samples.py

test-pythons: ## Compare all numbers, and the notebooks' and the report's, on every Python that is installed
	@set -e; for version in $(PYTHON_VERSIONS); do \
	  export PYENV_VERSION=$$(pyenv latest $$version 2>/dev/null); [ -n "$$PYENV_VERSION" ] || unset PYENV_VERSION; \
	  if ! python$$version -c '' 2>/dev/null; then echo "Python $$version is not installed: not compared"; continue; fi; \
	  echo "comparing on Python $$version"; \
	  python$$version -m venv --clear .venv-$$version; \
	  .venv-$$version/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements.lock; \
	  .venv-$$version/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .; \
	  .venv-$$version/bin/python -m pytest -q -m '' tests/test_samples.py; \
	done

docs: $(READY) ## Build the documentation into docs/_build, offline; a warning is an error
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

# The commit's own instant stands in them, so that they are the same bytes whenever and wherever they are built.
dist: $(READY) ## Build wheel and sdist into dist/, twice, and see that both are the same bytes
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PY) tests/building.py dist

gallery: $(READY) ## Render the notebooks that changed for the gallery, and build the documentation
	.venv/bin/simkit report --all docs/gallery.yaml
	$(MAKE) docs

bench: $(READY) ## Measure speed
	$(PY) -m benchmarks

lint: $(READY) ## Check style, formatting and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy simkit benchmarks

# Keeps the versions that requirements.lock already has where pyproject.toml still allows them. `fewest` pins one version
# of a package for every Python, so that all of them give the numbers that were tested.
lock: ## Pin what pyproject.toml asks for (needs uv; `make lock UV_FLAGS=--upgrade` takes the newest)
	@command -v uv >/dev/null || { echo "make lock needs uv. Get it with: pipx install uv" >&2; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --extra dev --python-version $(firstword $(PYTHON_VERSIONS)) \
	  --fork-strategy fewest --custom-compile-command "make lock" $(UV_FLAGS) pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --extra browser --python-version $(firstword $(PYTHON_VERSIONS)) \
	  --fork-strategy fewest --custom-compile-command "make lock" -c requirements.lock pyproject.toml -o requirements-browser.lock

# It stands apart, so that what it needs is not among what is locked. Today's newest knows what is asked for today.
AUDIT = .venv/audit/bin/pip-audit

audit: $(READY) ## Ask for known vulnerabilities of what is locked; says so and passes where there is no network
	@[ -x $(AUDIT) ] || { $(PY) -m venv .venv/audit && \
	  .venv/audit/bin/python -m pip --disable-pip-version-check install --quiet 'pip-audit>=2.9,<3'; } || rm -rf .venv/audit
	$(PY) tests/audit.py $(AUDIT) requirements.lock requirements-browser.lock

licences: $(READY) ## List the licences of what is locked in docs/licences.md
	$(PY) tests/licences.py > docs/licences.md

setup: $(READY) ## Make .venv with the locked packages (`make setup PYTHON=...` chooses the interpreter)

# The stamp comes last, and each attempt starts with an empty .venv: what is half installed never passes for installed.
$(READY): requirements.lock pyproject.toml
	@tried=; \
	for python in $(CANDIDATES); do \
	  version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version="does not run"; \
	  case " $(PYTHON_VERSIONS) " in *" $$version "*) \
	    echo "Python $$version ($$python): making .venv"; \
	    exec "$$python" -m venv --clear .venv;; \
	  esac; \
	  tried="$$tried $$python ($$version)"; \
	done; \
	echo "simkit needs one of Python $(PYTHON_VERSIONS). Found:$$tried." >&2; \
	echo "Install one of them, or name it: make setup PYTHON=/path/to/python" >&2; \
	exit 1
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DUCKDB_OLDEST)/.installed: $(READY)
	rm -rf $(DUCKDB_OLDEST)
	$(PIP) install --quiet --no-deps --target $(DUCKDB_OLDEST) 'duckdb==1.5.*'
	@touch $@

clean: ## Remove .venv, caches and whatever was built
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
