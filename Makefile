# Two commands do everything: `make demo` and `make test`. PYTHON picks the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Side by side: 5 minutes instead of 12 on two cores.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal

.PHONY: demo test test-flujo check bench format clean peers venv
.DELETE_ON_ERROR:

venv: $(STAMP)

$(STAMP): pyproject.toml tools/dev-requirements.py
	@echo "Installing flujo-otel with all that its tests need into $(VENV): a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all]' $$($(BIN)/python tools/dev-requirements.py)
	@touch $@

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: $(STAMP)
	$(PYTEST)

# What depends on flujo's version: run again by .ci/run on Python 3.13.
test-flujo: $(STAMP)
	$(PYTEST) tests/integration/flujo tests/integration/storage tests/e2e

# The real programs that tests/peers starts; what is built already is not built again.
peers:
	$(MAKE) -C tests/peers

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
