# make demo   everything at once, on a made-up scene
# make bench  time and memory of the scripts; some minutes
# make test   lint and all tests
# make test-keras2   the tests of the scripts on TensorFlow 2.15 with Keras 2
# make test-real-otb   their building blocks on Debian's OTB, and on otblite
PYTHON ?= python3
VENV ?= .venv
SIZE ?= 1536

BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ENGINE := $(shell find otblite -name '*.py' -o -name '*.pth' -o -name 'pyproject.toml')
CODE := sr_*.py srtools otblite demo bench tests

.PHONY: demo bench test test-keras2 test-real-otb pytest lint format clean

demo: $(STAMP)
	$(BIN)/python -m demo.run --size $(SIZE)

bench: $(STAMP)
	$(BIN)/python -m bench

test: lint
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: $(STAMP)
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

# TensorFlow 2.15 exists for Python 3.9 to 3.11 only.
test-keras2:
	$(MAKE) VENV=.venv-keras2 REQUIREMENTS=requirements-keras2.txt pytest

# The bindings are built once.  Where they cannot be, that is said, and pytest skips.
test-real-otb: $(STAMP)
	tests/real_otb/build.sh .real-otb $(BIN)/python || test $$? = 77
	$(BIN)/python -m pytest -rs tests/real_otb

pytest: $(STAMP)
	$(BIN)/python -m pytest

REQUIREMENTS ?= requirements.txt
$(STAMP): requirements*.txt $(ENGINE)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	sys.exit(None if (3, 10) <= v <= (3, 12) else \
	"error: Python %d.%d was found, 3.10, 3.11 or 3.12 is needed; " % v + \
	"say which: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r $(REQUIREMENTS) -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps ./otblite
	touch $@

clean:
	rm -rf .venv .venv-keras2 .real-otb demo_run
