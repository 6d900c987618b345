# Everything is one command. `make` lists them.
#   PYTHON=python3.12   the interpreter .venv is made with       SUITE="unit errors"   which suites
#   ARGS="-k rewind"    more arguments for what is started
#   N=5000 SEED=abc     how many faults, and which
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
OUTPUT ?= demo
CORES = $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

.PHONY: help setup demo test test-long check format bench bench-faults explore faults clean

help:  ## list the commands (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv with everything a developer needs (PYTHON=python3.12 to choose)
	@scripts/setup dev

demo:  ## a real day of ambient noise, fetched and correlated on all cores (OUTPUT=folder)
	@scripts/setup seismology
	@data=$$($(BIN)/python workflows/ambient_noise/fetch.py) && \
	$(BIN)/d4py run workflows/ambient_noise --mapping multi -n $(CORES) --set data="$$data" --set output="$(OUTPUT)" $(ARGS) && \
	$(BIN)/python workflows/ambient_noise/report.py "$(OUTPUT)"

test: setup  ## run every suite (SUITE="unit errors" for some, ARGS for pytest)
	@$(BIN)/python scripts/suites.py $(SUITE) -- $(ARGS)

test-long: setup  ## what is too long for every day: other MPIs, every wrong launcher, a thousand Workflows; writes bench/long.md
	@$(BIN)/python scripts/long.py $(SUITE) -- $(ARGS)

check: setup  ## format, lint, strict types, import rules
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

format: setup  ## format, and mend what lint can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup  ## d4py, plain Python and its peers side by side, as ratios
	@$(BIN)/python bench/run.py $(ARGS)

bench-faults: setup  ## workers killed in d4py and its peers: what is lost, what is done again
	@$(BIN)/python bench/faults.py $(ARGS)

explore: setup  ## explore the engine's states with large bounds (minutes)
	@$(BIN)/python tests/explore/explore.py --large $(ARGS)

faults: setup  ## deal N faults to real runs, and cut 50 off (N=150; SEED=..., ARGS="--case 7" to play one again)
	@$(BIN)/python tests/faults/faults.py $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean:  ## remove what these commands left in this folder
	@rm -rf .venv build dist demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find platform operators tests workflows bench scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
