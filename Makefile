# Every target works on a fresh clone: Python 3.11 or later with pip, and make. No root, no Redis.
#
#   make demo  [PARAMS='{"path": "src"}']     run the example flow on four workers
#   make demo-ui [ARGS='--port 8791']         show a fleet that runs for ever on a page, http://127.0.0.1:8790
#   make test  [ARGS='tests/kernel -k plan']  run the tests
#   make quick                                run, in half a minute, what finds most mistakes: while editing
#   make lint | format | conformance | coverage | soak | robustness | clean
#   make report       [ARGS='--histories 200'] break servers in all ways, hunt all saboteurs, and write docs/robustness.md
#   make simulate [ARGS='--from 10000']       simulate 10,000 fleets, each decided by a seed, in a quarter of an hour
#   make fuzz         [ARGS='--inputs 1000000 --target definitions']  give random input to what comes from outside
#   make bench        [ARGS='--seconds 2']    measure this machine, and write docs/benchmarks
#   make bench-check  [ARGS='--scenarios calls']  compare its ratios with those stored there
#   make bench-peers [ARGS='--peers BullMQ']  compare the fleet with the peers that install here
#   make screenshots                          take the pictures of the page anew, in docs/pictures; it needs chromium
#   make porcupine    [ARGS='--histories 3']  have recorded histories judged by Porcupine too; it needs Go
#   make site                                 build the documentation site in build/site; it takes about a minute
#   make test-site | site-links               look at each of its pages and links, and ask its search | ask other sites
#   make dist | smoke                         build the wheel and the source archive | and try them as installed
#   make reproducible                         build them twice, as two machines would, and compare the bytes
#   make sbom | audit                         list what the wheel brings along | look for known vulnerabilities in that
#   make lowest       [ARGS=tests/cli]        run tests on the oldest releases of all dependencies
#   make test-image  [IMAGE=redis:7.4]        run the conformance suite on a server of an image; it needs Docker
#   make test-topologies                      run the tests of docker-compose.yml; they need Docker and Compose 2
#   make test-docker                          both of these

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# what makes and examines a release; apart, since what it installs changes which formats jsonschema checks
TOOLS := build/tools
export PARAMS ?= {}
ARGS ?=
IMAGE ?=

# The tests start thousands of processes: without bytecode each of them would compile the whole package, for a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-ui screenshots test quick test-docker test-image test-topologies lint format bench bench-check bench-peers conformance coverage soak robustness porcupine report simulate fuzz site test-site site-links dist smoke clean
.PHONY: reproducible sbom audit lowest
.DEFAULT_GOAL := test

demo: $(VENV)/.installed
	$(BIN)/redis-mob run examples/code_review/code_review.toml --flow review --workers 4 \
		--handler examples.code_review.handlers:HANDLERS --members reviewer=3 --members judge=3 \
		--params "$$PARAMS"

demo-ui: $(VENV)/.installed-ui
	$(BIN)/python -m examples.demo_fleet $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal -q $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m pytest -q tests/ui/browser)

# Everything that does no I/O, and the stores once, on the embedded server. Property tests try a few examples.
QUICK := tests/test_house.py tests/models tests/kernel tests/codec tests/security tests/conformance/test_valkey.py

quick: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	REDIS_MOB_EXAMPLES=5 $(BIN)/python -m pytest -n auto --dist worksteal -q $(QUICK)

# The tests remove their containers themselves, without the container that testcontainers has for it; and they find the
# ports of containers on the host of the daemon, also where they run in a container too.
DOCKER_TESTS := REDIS_MOB_DOCKER=1 TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_CONNECTION_MODE=docker_host

test-docker: test-image test-topologies

test-topologies: $(VENV)/.installed-dev
	$(DOCKER_TESTS) $(BIN)/python -m pytest -q tests/docker/test_topologies.py

test-image: $(VENV)/.installed-dev
	$(DOCKER_TESTS) REDIS_MOB_SERVER_IMAGE='$(IMAGE)' $(BIN)/python -m pytest -n auto --dist worksteal -q \
		-p redis_mob.testing.plugin tests/docker/test_conformance.py $(ARGS)

conformance: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal -q -p redis_mob.testing.plugin tests/conformance $(ARGS)

CAMPAIGN := build/robustness.jsonl

robustness: $(VENV)/.installed-dev
	for kind in kill failover; do for durability in memory replicas:1; do \
		$(BIN)/python -m tests.robustness.failovers --topology cluster --kind $$kind --durability $$durability || exit 1; \
	done; for durability in memory replicas:2; do \
		$(BIN)/python -m tests.robustness.failovers --topology sentinel --kind $$kind --durability $$durability || exit 1; \
	done; done
	for program in faults crashes subscribers resharding refusals killed_workers paid_calls shared_budget host_commits limited_keys token_limit signals asks pending_asks fired_schedules histories watching disrupted rolling_upgrade; do \
		$(BIN)/python -m tests.robustness.$$program || exit 1; \
	done
	mkdir -p $(dir $(CAMPAIGN)) && rm -f $(CAMPAIGN)
	$(BIN)/python -m redis_mob.testing.robustness.campaign --saboteurs --out $(CAMPAIGN)
	$(BIN)/python -m redis_mob.testing.robustness.campaign --histories 60 --out $(CAMPAIGN)
	REDIS_MOB_ALL_POINTS=1 $(BIN)/python -m pytest -n auto -q tests/fleet/test_crash_matrix.py

# It says so where there is no Go, and fails.
porcupine: $(VENV)/.installed-dev
	$(BIN)/python -m tests.robustness.histories --histories 10 --operations 2000 --porcupine $(ARGS)

# What was found is in the page, so that it is written also if a promise was not kept; then make ends with an error.
report: $(VENV)/.installed-dev
	mkdir -p $(dir $(CAMPAIGN)) && rm -f $(CAMPAIGN)
	$(BIN)/python -m redis_mob.testing.robustness.campaign --saboteurs --out $(CAMPAIGN); hunted=$$?; \
	$(BIN)/python -m redis_mob.testing.robustness.campaign --out $(CAMPAIGN) $(ARGS); made=$$?; \
	$(BIN)/python -m tests.robustness.page $(CAMPAIGN) --page docs/robustness.md --directory docs/robustness && \
		exit $$((hunted + made))

simulate: $(VENV)/.installed-dev
	$(BIN)/python -m redis_mob.testing.simulation --seeds 10000 $(ARGS)

fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz $(ARGS)

coverage: $(VENV)/.installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal -q $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

soak: $(VENV)/.installed-dev
	REDIS_MOB_EXAMPLES=5000 $(BIN)/python -m pytest -n auto --dist worksteal -q tests/differential $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Their figures are those of one machine: docs/benchmarks.md says what of them holds on others.
FIGURES := docs/benchmarks

bench: $(VENV)/.installed-bench
	mkdir -p $(FIGURES)
	$(BIN)/redis-mob bench --url embedded: --json $(FIGURES)/figures.json --markdown $(FIGURES)/README.md \
		--plots $(FIGURES) $(ARGS)

# Ratios only; what looks slower is measured again, twice, before it counts.
bench-check: $(VENV)/.installed-bench
	$(BIN)/redis-mob bench --url embedded: --against $(FIGURES)/figures.json $(ARGS)

# The peers have environments of their own. What cannot be installed is left out, and the comparison says so.
PEERS := .venv-peers
PEERS_NODE := bench/peers/node_modules

bench-peers: $(VENV)/.installed $(PEERS)/.installed $(PEERS_NODE)/.installed
	$(BIN)/python -m bench.peers.compare $(ARGS)

$(PEERS)/.installed: pyproject.toml | $(VENV)/.created
	$(PYTHON) -m venv --without-pip $(PEERS)
	@touch $@; for peer in dbos docket; do \
		$(BIN)/python -m pip --python $(PEERS)/bin/python install --quiet --group peer-$$peer || rm -f $@; \
	done

# Its install scripts compile what comes built, too.
$(PEERS_NODE)/.installed: bench/peers/package.json
	@if command -v npm >/dev/null && npm install --prefix $(@D)/.. --no-package-lock --no-audit --no-fund \
		--ignore-scripts --silent; then touch $@; fi

screenshots: $(VENV)/.installed-dev
	$(BIN)/python -m tests.ui.browser.pictures docs/pictures

SITE := build/site

site: $(VENV)/.installed-dev
	$(BIN)/python -m website.build --out $(SITE)

# In a browser too, for which chromium is needed.
test-site: site
	REDIS_MOB_SITE=$(SITE) $(BIN)/python -m pytest -q tests/website/built $(ARGS)

site-links: $(VENV)/.installed-dev
	$(BIN)/python -m website.build --links

# A wheel and a source archive, in dist/, of what is committed.
dist: $(VENV)/.installed-dev
	$(BIN)/python -m tests.project.distributions dist

# Each of them is installed into an environment of its own, and used there; the wheel also with each extra, and by pipx.
smoke: dist $(TOOLS)/.installed
	for built in dist/*.whl dist/*.tar.gz; do $(BIN)/python -m tests.project.smoke "$$built" || exit 1; done
	$(TOOLS)/bin/python -m tests.project.smoke_extras dist/*.whl
	PIPX_HOME=$(abspath $(TOOLS)/pipx) $(TOOLS)/bin/pipx run --no-cache --spec dist/*.whl redis-mob --version

reproducible: dist
	$(BIN)/python -m tests.project.reproducible dist/*.whl dist/*.tar.gz

sbom: dist $(TOOLS)/.installed
	wheel=$$(echo dist/*.whl) && $(TOOLS)/bin/python -m tests.project.sbom "$$wheel" "$${wheel%-py3-none-any.whl}.cdx.json"

# What is not known to the service counts as a finding, so that a service that is not reached is no clean audit.
# SERVICE=osv asks another one than the package index.
SERVICE ?= pypi
audit: $(TOOLS)/.installed
	$(TOOLS)/bin/uv venv --quiet --clear --python $(BIN)/python build/audit
	$(TOOLS)/bin/uv pip install --quiet --python build/audit/bin/python --requirement pyproject.toml --all-extras
	$(TOOLS)/bin/pip-audit --strict --vulnerability-service $(SERVICE) --path build/audit/lib/python*/site-packages || { \
		echo 'No clean audit: see above. "Not found" of the first package, or no connection, means that $(SERVICE) is not reached.' >&2; exit 1; }

lowest: $(TOOLS)/.installed
	$(TOOLS)/bin/python -m tests.project.lowest build/lowest $(ARGS)

clean:
	rm -rf $(VENV) $(PEERS) $(PEERS_NODE) build dist .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without ensurepip, which some distributions leave out; --group needs pip 25.1.
$(VENV)/.created:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or later is needed: install it, or name it with make PYTHON=...' >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

# Alone: what .installed does is part of it, and the page is there sooner.
$(VENV)/.installed-ui: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --quiet --editable '.[ui]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(TOOLS)/.installed: pyproject.toml | $(VENV)/.created
	$(PYTHON) -m venv --without-pip $(TOOLS)
	$(BIN)/python -m pip --python $(TOOLS)/bin/python install --quiet --group release
	@touch $@
