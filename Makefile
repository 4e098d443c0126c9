# Cairn: one obvious word each. "make demo" and "make test" need python3 (3.11 or newer), git, make.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench scale docs venv pins clean

help:            ## these words
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: venv       ## a cluster, a real tree, a killed fileserver, 0 differences
	$(BIN)/python demo/main_job.py

test: check      ## check, then every test (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: venv      ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests $(wildcard bench demo)

bench: venv      ## what Cairn does on this machine, beside the machine's own limits
	$(BIN)/python -m bench

scale: venv      ## a namespace of 1,000,000 files against one of 1,000, on both databases
	$(BIN)/python -m bench.scale

docs: venv       ## the tables and sessions in the documents anew, from the code and from real runs
	$(BIN)/python -m tests.reference
	$(BIN)/python -m tests.readme

venv: .venv/.ready ## the environment in .venv, from the pins

# The stamp is written last, so a setup that was interrupted is made again from nothing.
.venv/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'cairn: needs Python 3.11 or newer; name one: make venv PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'cairn: this Python cannot make environments; on Debian: apt install python3-venv' >&2; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

pins:            ## constraints.txt anew from pyproject.toml (needs uv)
	sed -n '/^#/!q;p' constraints.txt > constraints.new
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --all-extras --group build pyproject.toml >> constraints.new
	mv constraints.new constraints.txt

clean:           ## everything that can be made again
	rm -rf .venv .demo .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
