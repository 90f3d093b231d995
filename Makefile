# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-slow check format bench fuzz drills board wheel docs clean help

docs: $(VENV)/.dev  ## the documentation and all boards as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/nasbench-suite site --out site/boards

help:            ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## play a leaderboard (results/), train what it picked once more, and time it
	$(BIN)/nasbench-suite leaderboard run leaderboards/eleven-tables --out results/eleven-tables
	$(BIN)/nasbench-suite validate results/eleven-tables --best 3 --top 1 --seeds 2 --latency

test: $(VENV)/.dev  ## the test suite, on two processes
	$(BIN)/python -m pytest -n 2 -q

test-slow: $(VENV)/.dev  ## the real-data checks that take a minute or more
	$(BIN)/python -m pytest -n 2 -q -m slow --override-ini "addopts=--strict-markers --benchmark-skip -ra"

check: $(VENV)/.dev  ## lint, format, types, cards; warnings are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nasbench-suite check

format: $(VENV)/.dev  ## mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## measure speed and print the table of the README
	mkdir -p results
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-json=results/bench.json -q \
	  --override-ini "addopts=--strict-markers"
	$(BIN)/python tests/benchmarks/report.py results/bench.json

fuzz: $(VENV)/.dev  ## mutate files of every format and read them: 200,000 inputs, about two minutes
	$(BIN)/python tests/fuzz/readers.py --inputs 200000 --jobs 2

board: $(VENV)/.runtime  ## play 500 runs of seven strategies on nine graphs, 14 million look-ups, and compare
	$(BIN)/nasbench-suite leaderboard run leaderboards/nas-bench-graph --out results/nas-bench-graph

drills: $(VENV)/.dev  ## kill, fill the disk, ten million rows, 100,000 runs: half an hour; writes docs/drills.md
	for what in leaderboard build import; do $(BIN)/python tests/drills/kill.py $$what || exit 1; done
	for drill in two_processes disk_full rows runs memory; do $(BIN)/python tests/drills/$$drill.py || exit 1; done
	$(BIN)/python tests/drills/page.py

wheel: $(VENV)/.dev  ## build a wheel with the content folders in it
	$(BIN)/python -m hatchling build -t wheel

clean:           ## remove what the commands above made
	rm -rf $(VENV) results dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.runtime: pyproject.toml constraints.txt hatch_build.py
	$(PYTHON) -c 'import sys; sys.exit("nasbench-suite needs Python 3.11 or newer; run: make PYTHON=python3.12 demo" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
	$(PIP) --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) --constraint constraints.txt --group dev
	touch $@
