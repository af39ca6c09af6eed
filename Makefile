# Everything that a developer runs. Requires only make and Python 3.11 or later; the first target that needs .venv creates it.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; echo python3)
UV ?= .venv/bin/uv
VENV := .venv/bin/python

# Without bytecode files, each of the many processes of the tests would compile all modules again.
test-embedded coverage test-cluster test-slow: export PYTHONDONTWRITEBYTECODE :=

SOURCES := idp flows stages blueprints web
TEMPLATES = $$(find $(SOURCES) -name '*.html')
STYLES_AND_SCRIPTS = $$(find $(SOURCES) -name '*.css' -o -name '*.js')

.PHONY: up help cluster test test-embedded coverage test-cluster test-slow device lint typecheck format lock dev clean

up:  ## start Foyer
	@exec $(PYTHON) manage.py up

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

cluster:  ## start Foyer on PostgreSQL and Redis: two web processes on PORT and PORT+1, a worker and beat
	@exec $(PYTHON) manage.py cluster

test: test-embedded test-cluster  ## all but the slow tests, on SQLite in one process; then those that depend on servers, on PostgreSQL and Redis

# One worker more than there are cores, because a test often waits for a browser or for another process.
WORKERS = $$(($$(nproc) + 1))

test-embedded: dev  ## only on SQLite, in one process
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m pytest -n $(WORKERS)

coverage: dev  ## the tests of test-embedded, slower, with the coverage that they must reach (pyproject.toml)
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m pytest -n $(WORKERS) --cov --cov-report=

test-cluster: dev  ## only on PostgreSQL and Redis
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m tests.modes.cluster pytest -n $(WORKERS)

# One worker for each core, because these tests measure times. Tests of one xdist group never run at the same time, so that
# only one of them starts whole servers.
test-slow: dev  ## only the slow tests
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m pytest -m slow -n $$(nproc) --dist loadgroup

device:  ## a device in the terminal: make device URL=... CLIENT_ID=...
	@$(PYTHON) manage.py device $(if $(URL),--url '$(URL)') $(if $(CLIENT_ID),--client-id '$(CLIENT_ID)')

lint: dev  ## style, templates, scripts, types and import contracts; changes nothing
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	.venv/bin/djlint --lint --quiet $(SOURCES)
	.venv/bin/djade --target-version 5.2 --check $(TEMPLATES)
	.venv/bin/oxlint $(SOURCES)
	.venv/bin/oxfmt --check $(STYLES_AND_SCRIPTS)
	$(VENV) -m mypy
	.venv/bin/lint-imports --no-logo

typecheck: dev  ## only the types, which lint includes
	$(VENV) -m mypy

format: dev  ## format Python, templates, CSS and JavaScript, and sort imports
	$(VENV) -m ruff check --select I --fix .
	$(VENV) -m ruff format .
	.venv/bin/oxfmt $(STYLES_AND_SCRIPTS)
	.venv/bin/djade --target-version 5.2 $(TEMPLATES) || .venv/bin/djade --target-version 5.2 --check $(TEMPLATES)  # djade exits with 1 after it has written

# UV=uv uses your own uv, in case the current lock files cannot be installed.
lock: $(filter .venv/bin/uv,$(UV))  ## update the lock files from pyproject.toml; UPGRADE=1 upgrades every version
	$(call compile,requirements.lock)
	$(call compile,requirements-dev.lock,--group dev --constraints requirements.lock)

clean:  ## remove everything that is generated, except data/
	rm -rf .venv build *.egg-info .coverage .*_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/uv: dev

dev:  ## only install the dependencies, into .venv
	@$(PYTHON) -c 'import manage; manage.create_venv()'
	@$(VENV) -c 'import manage; manage.install_locks("requirements.lock", "requirements-dev.lock")'

# One file for every Python and platform, with hashes and without a host, so that it installs from any index. Extras are not
# stripped: for pip up to 23, "coverage" does not pin the "coverage[toml]" that another package requires.
define compile
	$(UV) pip compile pyproject.toml $(2) --output-file $(1) --universal --python-version 3.11 --generate-hashes --quiet \
		--no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
	@! grep -n '://' $(1)
endef
