# Everything a checkout needs, installed in .venv and nowhere else.
#
# Needs make and Python 3.11 or later (with its venv module). PYTHON=/path/to/python picks another interpreter.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN  := $(VENV)/bin
SIZE ?= 1GB
RUNS ?= 3
MINUTES ?= 5
JOBS ?= 2
export EXAMPLES ?= 2000
ARGS ?=

.PHONY: help demo test versions fuzz lint format documents bench crash product room long soak model mutations clean

help:  ## show this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/run.stamp  ## run config.toml over the sample logs and show what comes out
	@VENV=$(VENV) sh sample_logs/demo.sh

test: $(VENV)/test.stamp  ## run the tests, two at a time (JOBS=2), but those alone that measure time or memory
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

versions: $(VENV)/test.stamp  ## run most of the tests with each other Python from 3.11 to 3.14 that is here
	@sh tests/versions.sh

fuzz: $(VENV)/test.stamp  ## try 5,000 damaged inputs a test, or two minutes of them; make test tries a hundred
	@$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=fuzz --timeout=1800 $(ARGS)

lint: $(VENV)/test.stamp  ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@sh tests/types.sh $(abspath $(BIN)/mypy)

format: $(VENV)/test.stamp  ## put style and format right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

documents: $(VENV)/test.stamp  ## write docs/stages/ anew, and what the commands in docs/formats.md print
	@$(BIN)/python -m tests.stage_pages

bench: $(VENV)/bench.stamp  ## measure speed and memory beside others (SIZE=1GB RUNS=3 ARGS='--json FILE')
	@$(BIN)/python -m benchmarks.bench --size $(SIZE) --runs $(RUNS) $(ARGS)
	@$(BIN)/python -m benchmarks.stages

crash: $(VENV)/test.stamp  ## kill it at every operation that changes the disk, cut the power, compare (ARGS='--seed 1')
	@$(BIN)/python -m tests.crash $(ARGS)

product: $(VENV)/test.stamp  ## each rotation x crash x sink x restart x reader: the same output (ARGS='--part 1/4')
	@$(BIN)/python -m tests.scenarios.product $(ARGS)

room: $(VENV)/test.stamp  ## disks with room for so many bytes, and later for more: the same output (ARGS='--every 11')
	@$(BIN)/python -m tests.scenarios.room $(ARGS)

long: $(VENV)/test.stamp  ## cases in their full size: 100,000 files, 100,000 outputs, 5 million lines (minutes)
	@$(BIN)/python -m pytest -m long $(ARGS)

soak: $(VENV)/test.stamp  ## a daemon under kills, rotation, stalls, full disks: is each line there once? (MINUTES=5, ARGS=--seed=1)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

model: $(VENV)/test.stamp  ## 2,000 random lives of files, sinks and processes; make test lives eighty (EXAMPLES=500)
	@$(BIN)/python -m pytest tests/model --hypothesis-profile=model --timeout=7200 $(ARGS)

mutations: $(VENV)/test.stamp  ## plant small faults in copies of the code, and see a test fail for each
	@$(BIN)/python -m tests.mutations $(ARGS)

clean:  ## remove what make made: .venv, caches, benchmark data (never state/ and out/)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis benchmarks/data
	find tailrace pipeline stages tests benchmarks sample_logs -name __pycache__ -prune -exec rm -rf {} +

# Installed anew only when pyproject.toml has changed.
$(VENV)/run.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint --editable .
	@touch $@ $(VENV)/run.stamp

# Without what has no wheel for this Python: the benchmark says who is missing.
$(VENV)/bench.stamp: $(VENV)/run.stamp
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group bench
	@touch $@

$(VENV)/bin/python:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "making $(VENV) with $$($$python --version)"; \
	        $$python -m venv $(VENV) && exit 0; \
	        rm -rf $(VENV); \
	        echo "$$python cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; \
	        exit 1; \
	    fi; \
	done; \
	echo 'tailrace needs Python 3.11 or later, and none was found: install python3.11, or make ... PYTHON=/path/to/python' >&2; \
	exit 1
