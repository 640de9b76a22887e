# Each target sets up what it needs first; see bootstrap.py.
PYTHON ?= python3

.PHONY: setup demo check lint test format

setup demo check lint test:
	$(PYTHON) bootstrap.py $@

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
