# make run [DATA=folder]   runs mirkit on the demo set, or on a folder of your own: separates, measures and verifies.
#                          On a terminal it asks before it moves loose files into track folders
# make test                runs the tests
# make test-fast           runs the tests that are not slow
# make test-properties     runs the property tests with new random examples; SEED=... repeats a run
# make check               runs linting, type checks and tests, as CI does
# make docs                builds the documentation into docs/_build/html; a warning is an error
# make docs-links          checks every link of the documentation, also those to other sites
# make bench               runs every benchmark
# make train-separator     renders music, trains the embedded separator on it and scores it; continues where it was
#                          stopped. Needs the data of docs/development/separator.md; SEPARATOR=folder, MIXES=, EPOCHS=
# Each target creates .venv with the first Python >= 3.11 that works; make PYTHON=... selects another one.

ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3 python3.13 python; do \
  "$$p" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
endif
BIN := .venv/bin
DATA ?=

SEED := $(shell date +%s)
SEPARATOR ?= build/separator
MIXES ?= 2000
EPOCHS ?= 7
SPHINX = OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

.PHONY: run test test-fast test-properties check docs docs-links bench train-separator clean

run: .venv/run.stamp
ifeq ($(DATA),)
	$(BIN)/mirkit demo demo
else
	@test -e "$(DATA)" || { echo 'make: $(DATA): there is no such folder' >&2; exit 2; }
	@$(BIN)/mirkit run "$(DATA)"; ran=$$?; \
	  test $$ran -lt 128 || exit $$ran; \
	  $(BIN)/mirkit verify "$(DATA)"; checked=$$?; \
	  test $$ran -eq 0 && test $$checked -eq 0 || { \
	    echo 'make: something failed; the lines above say what. The same command tries it again.' >&2; exit 1; }
endif

test: .venv/test.stamp .venv/models.stamp
	$(PYTEST)

test-fast: .venv/test.stamp .venv/models.stamp
	$(PYTEST) -m "not slow"

test-properties: .venv/test.stamp .venv/models.stamp
	MIRKIT_PROPERTIES=random $(PYTEST) -m hypothesis --hypothesis-seed=$(SEED)

check: .venv/dev.stamp .venv/test.stamp .venv/models.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

docs: .venv/docs.stamp
	$(SPHINX) -b html docs docs/_build/html

docs-links: .venv/docs.stamp
	$(SPHINX) -b linkcheck docs docs/_build/links

bench: .venv/bench.stamp .venv/trainers.stamp
	set -e; for script in $$(grep -l __main__ benchmarks/*.py); do OMP_NUM_THREADS=1 $(BIN)/python "$$script"; done

train-separator: .venv/training.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m training.examples $(SEPARATOR) --count $(MIXES)
	$(BIN)/python -m training.train $(SEPARATOR) --epochs $(EPOCHS)
	$(BIN)/python -m training.evaluate $(SEPARATOR)

clean:
	rm -rf .venv build dist docs/_build docs/reference/cli docs/reference/features/plots docs/tutorials/demo src/*.egg-info .pytest_cache .mypy_cache .ruff_cache

# What each target needs installed. If the stamp is newer than its inputs, nothing is installed.
.venv/run.stamp: INSTALL := .
.venv/test.stamp: INSTALL := .[test]
.venv/dev.stamp: INSTALL := .[dev]
.venv/docs.stamp: INSTALL := .[docs]
.venv/bench.stamp: INSTALL := .[bench,test]
.venv/training.stamp: INSTALL := .[training]

.venv/%.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$(INSTALL)"
	@touch $@

# The neural networks and their reference implementations: tested on Python 3.11, skipped on other versions.
.venv/models.stamp: tests/requirements-models.txt | .venv/test.stamp .venv/trainers.stamp
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<; fi
	@touch $@

# A second release of stable-audio-tools, in a separate folder that tests put first on the path.
.venv/trainers.stamp: tests/export/trainer-0.0.20.txt | .venv/test.stamp
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
	    --upgrade --target .venv/trainers/0.0.20 -r $<; fi
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: found no Python >= 3.11 with venv; install one, or make PYTHON=/path/to/python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
