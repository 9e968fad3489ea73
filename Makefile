# Everything is installed into .venv; nothing else of this machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
SOURCES := cci daemon processors spiders tests bench

.PHONY: demo test check fix bench soak clean

# -qq: of two pages that pip says about an editable installation nothing is news
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip "setuptools>=77"

$(DEMO_STAMP): setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV); this takes a minute or two"
	$(PIP) --editable '.[qa]'
	@touch $@

$(STAMP): setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV); this takes a minute or two"
	$(PIP) --editable '.[qa,postgresql,test]'
	@touch $@ $(DEMO_STAMP)

demo: $(DEMO_STAMP)
	$(BIN)/cci --home demo demo

# A test that takes twenty minutes hangs (the longest takes four, and one may wait for Grid Engine): it is told
# by the stacks of its threads and ends its process, and the others go on.
GUARD := -o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(GUARD) $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMP)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(STAMP)
	$(BIN)/python -m bench

soak: $(STAMP)
	CCI_SOAK=1 $(BIN)/python -m pytest tests/soak tests/acceptance $(ARGS)

clean:
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
