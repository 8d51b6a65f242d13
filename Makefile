# `make test` or `make demo` on a fresh machine sets up .venv first, then runs.
# Everything is installed once: a stamp in .venv stands for each extra.

PYTHON ?= python3
# The lowest numpy has wheels up to Python 3.11.
PYTHON_LOWEST ?= $(or $(shell for p in python3.11 python3.10; do \
	$$p -c "import venv" 2>/dev/null && echo $$p && break; done),$(PYTHON))
VENV := .venv
VENV_LOWEST := .venv-lowest
BIN := $(VENV)/bin
# pytest's workers share the cores: one thread each. No window opens for a plot.
RUN := OMP_NUM_THREADS=1 MPLBACKEND=Agg
PYTEST_WORKERS ?= 2
DATA_OPTION = $(if $(DATA),--data "$(DATA)")

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-lowest check format docs bench release-check clean

help:
	@echo "make demo         a proof of concept on real data, a minute or two (DATA=dir; CSV=file TARGET=column: your data)"
	@echo "make test         run the tests (ARGS=... goes to pytest)"
	@echo "make test-slow    run the slow tests: whole proofs of concept, a Ray cluster"
	@echo "make test-lowest  run the tests on the lowest supported releases"
	@echo "make check        format, lint, types, layers, spelling"
	@echo "make format       let ruff format the code and fix what it can"
	@echo "make docs         build the pages into docs/_build/html; runs the examples"
	@echo "make bench        run the benchmarks of speed and denoising (DATA=dir: where the data lies)"
	@echo "make release-check  build the package, take the steps of the README in a clean environment, timed"
	@echo "make clean        remove the environments and all that was built"
	@echo "PYTHON=python3.12 make test: choose the Python (now: $(PYTHON))"

# 1: Python, 2: folder of the environment
define make_venv
	@echo "== making $(2)"
	@$(1) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else f"Python {sys.version.split()[0]} is too old: skdae needs 3.10 or newer; set PYTHON=...")'
	@$(1) -m venv $(2)
	@touch $@
endef

# 1: folder of the environment, 2: constraints, 3: extra
# torch comes in the same command as the package, so that its pin holds.
define install
	@echo "== installing skdae[$(3)] into $(1)"
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check -c $(2) -e ".[$(3)]"
	@touch $@
endef

$(VENV)/.made:
	$(call make_venv,$(PYTHON),$(VENV))

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.made
	$(call install,$(VENV),constraints.txt,$*)

$(VENV_LOWEST)/.made:
	$(call make_venv,$(PYTHON_LOWEST),$(VENV_LOWEST))

$(VENV_LOWEST)/.installed-%: pyproject.toml constraints.txt constraints-lowest.txt | $(VENV_LOWEST)/.made
	$(call install,$(VENV_LOWEST),constraints-lowest.txt,$*)

demo: $(VENV)/.installed-poc
	@MPLBACKEND=Agg $(BIN)/python examples/demo.py $(DATA_OPTION) $(if $(CSV),--csv "$(CSV)") $(if $(TARGET),--target "$(TARGET)")

test: $(VENV)/.installed-test
	@$(RUN) $(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadgroup $(ARGS)

test-slow: $(VENV)/.installed-test $(VENV)/.installed-ray
	@$(RUN) $(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadgroup -m "slow and not gpu and not network and not browser" $(ARGS)

test-lowest: $(VENV_LOWEST)/.installed-test
	@$(RUN) $(VENV_LOWEST)/bin/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadgroup $(ARGS)

check: $(VENV)/.installed-dev
	@echo "== ruff format" && $(BIN)/ruff format --check .
	@echo "== ruff check" && $(BIN)/ruff check .
	@echo "== mypy" && $(BIN)/mypy
	@echo "== lint-imports" && $(BIN)/lint-imports
	@echo "== codespell" && $(BIN)/codespell
	@echo "== all checks passed"

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

docs: $(VENV)/.installed-docs
	@$(RUN) $(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html
	@echo "== docs/_build/html/index.html"

bench: $(VENV)/.installed-bench
	@$(BIN)/python benchmarks/speed.py --inference
	@MPLBACKEND=Agg $(BIN)/python benchmarks/denoising.py $(DATA_OPTION)

release-check: $(VENV)/.installed-dev
	rm -rf dist
	@echo "== building" && $(BIN)/python -m build --outdir dist . >/dev/null
	@echo "== twine check" && $(BIN)/python -m twine check --strict dist/*
	@echo "== the path of a newcomer"
	@$(RUN) $(PYTHON) .ci/release_check.py dist/*.whl .

clean:
	rm -rf $(VENV) $(VENV_LOWEST) build dist skdae.egg-info
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find skdae tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
