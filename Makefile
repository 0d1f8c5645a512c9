# Everything here sets itself up in .venv; only git, make and Python 3.10 or newer are needed.
PYTHON ?= python3
SECONDS ?= 0
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test check screenshots matrix conformance bench chaos fuzz mutate clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.demo .venv/.test .venv/.check .venv/.deploy .venv/.fuzz .venv/.mutation: pyproject.toml
	@.ci/venv "$(PYTHON)" $(@:.venv/.%=%)

setup: .venv/.check ## make .venv with everything for development

demo: .venv/.demo ## run the whole system on this machine (SECONDS=20 ends by itself)
	@$(BIN)/python -m demo --seconds "$(SECONDS)"

test: .venv/.test ## run the tests
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/.check ## lint and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

screenshots: .venv/.test ## run the demo and take the pictures of docs/pictures anew (needs chromium)
	@$(BIN)/python -m demo.pictures docs/pictures

matrix: .venv/.check ## run the corners of the support matrix (ARGS="-s matrix" for all of it)
	@$(BIN)/nox $(ARGS)

conformance: .venv/.test ## run the golden cases on a real OpenTelemetry Collector too (builds it; needs Go)
	@otelcol=$$(deploy/otelcol/build.sh) && \
		OTELCOL="$$otelcol" $(BIN)/python -m pytest tests/conformance $(ARGS)

bench: .venv/.test ## measure against the real OpenTelemetry Collector and other instrumentations
	@otelcol=$$(deploy/otelcol/build.sh) && \
		OTELCOL="$$otelcol" $(BIN)/python -m benchmarks $(ARGS)

chaos: .venv/.test ## hurt a whole system at random and hold it to account (SECONDS=600, SEED=…)
	@$(BIN)/python -m tests.chaos --seconds "$(SECONDS)" $(if $(SEED),--seed "$(SEED)")

fuzz: .venv/.test ## look for bytes that break a reader (SECONDS=60 TARGET=otlp; better after make .venv/.fuzz)
	@$(BIN)/python -m tests.fuzz --seconds "$(if $(filter-out 0,$(SECONDS)),$(SECONDS),60)" $(TARGET)

mutate: .venv/.mutation ## see which faults the tests would miss (PATHS="collector.route.*"; hours for all)
	@$(BIN)/mutmut run $(PATHS); $(BIN)/mutmut results

clean: ## remove what was made here
	rm -rf .venv build dist mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis
