# Everything a developer runs. Needs only make and a Python from 3.11 on; the first target that wants .venv makes it.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; echo python3)
UV ?= .venv/bin/uv
VENV := .venv/bin/python

# Where bytecode is not written, each of the many processes of the tests compiles the whole house once more.
test-embedded test-cluster test-slow: export PYTHONDONTWRITEBYTECODE :=

SOURCES := idp flows stages blueprints web
TEMPLATES = $$(find $(SOURCES) -name '*.html')
STYLES_AND_SCRIPTS = $$(find $(SOURCES) -name '*.css' -o -name '*.js')

.PHONY: up help cluster test test-embedded test-cluster test-slow device lint typecheck format lock dev clean

up:  ## start Foyer
	@exec $(PYTHON) manage.py up

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

cluster:  ## the same on PostgreSQL and Redis: two web processes on PORT and PORT+1, a worker and a beat
	@exec $(PYTHON) manage.py cluster

test: test-embedded test-cluster  ## everything but the slow tests, on SQLite in process; then what real servers can change, on them

# One worker more than there are cores: a test often waits, for a browser or for another process.
WORKERS = $$(($$(nproc) + 1))

test-embedded: dev  ## only on SQLite, in process
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m pytest -n $(WORKERS)

test-cluster: dev  ## only on PostgreSQL and Redis
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m tests.modes.cluster pytest -n $(WORKERS)

# One worker for each core, as these tests measure times; those of one group never meet, so that only one starts whole servers.
test-slow: dev  ## only the slow tests
	chromium=$$(.ci/browser) && FOYER_CHROMIUM=$$chromium $(VENV) -m pytest -m slow -n $$(nproc) --dist loadgroup

device:  ## a device that asks for a code: make device URL=... CLIENT_ID=...
	@$(PYTHON) manage.py device $(if $(URL),--url '$(URL)') $(if $(CLIENT_ID),--client-id '$(CLIENT_ID)')

lint: dev  ## style, templates, scripts, types, layers; changes nothing
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	.venv/bin/djlint --lint --quiet $(SOURCES)
	.venv/bin/djade --target-version 5.2 --check $(TEMPLATES)
	.venv/bin/oxlint $(SOURCES)
	.venv/bin/oxfmt --check $(STYLES_AND_SCRIPTS)
	$(VENV) -m mypy
	.venv/bin/lint-imports --no-logo

typecheck: dev  ## only the types, a part of lint
	$(VENV) -m mypy

format: dev  ## write Python, templates, CSS and JavaScript as lint wants them, imports in their order
	$(VENV) -m ruff check --select I --fix .
	$(VENV) -m ruff format .
	.venv/bin/oxfmt $(STYLES_AND_SCRIPTS)
	.venv/bin/djade --target-version 5.2 $(TEMPLATES) || .venv/bin/djade --target-version 5.2 --check $(TEMPLATES)  # 1: it has written

# UV=uv takes a uv of your own, for when the present locks cannot be installed.
lock: $(filter .venv/bin/uv,$(UV))  ## the lock files, from pyproject.toml; UPGRADE=1 moves every version
	$(call compile,requirements.lock)
	$(call compile,requirements-dev.lock,--group dev --constraints requirements.lock)

clean:  ## everything that is made, but not data/
	rm -rf .venv build *.egg-info .coverage .*_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/uv: dev

dev:  ## only install what is needed, into .venv
	@$(PYTHON) -c 'import manage; manage.create()'
	@$(VENV) -c 'import manage; manage.provide("requirements.lock", "requirements-dev.lock")'

# One file for every Python and platform, with hashes and without a host: it installs from any index. The extras stay in it:
# for pip up to 23, "coverage" does not pin the "coverage[toml]" that another package asks for.
define compile
	$(UV) pip compile pyproject.toml $(2) --output-file $(1) --universal --python-version 3.11 --generate-hashes --quiet \
		--no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
	@! grep -n '://' $(1)
endef
