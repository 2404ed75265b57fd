# make demo       everything at once, on a made-up scene
# make scene, make serve  the demo's scene and its archive, for typing by hand
# make check EX=1 ARGS='--patches DIR'  looks at what a student's scripts made
# make docs       the pages as a site, in build/site
# make pictures   the pictures of theory on these pages, in docs/theory
# make demo-pictures  the demo, and its pictures on these pages, in docs
# make bench      time and memory of the scripts; some minutes
# make test       lint, and all tests that are not slow, on all processors
# make test-slow  the others: trainings that are killed, several devices, whole tiles
# make test-keras2    what touches TensorFlow, on TensorFlow 2.14.1 with Keras 2
# make test-real-otb  the scripts' building blocks on Debian's OTB, and on otblite
# make test-real-otbtf OTBTF_SOURCE=DIR  the five scripts on OTB with OTBTF, and on otblite
PYTHON ?= python3
VENV ?= .venv
SIZE ?= 1536

BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ENGINE := $(shell find otblite -name '*.py' -o -name '*.pth' -o -name 'pyproject.toml')
CODE := sr_*.py srtools otblite demo lesson bench tests docs/*.py
PYTEST := $(BIN)/python -m pytest -n auto
# What touches TensorFlow.
TENSORFLOW_TESTS := tests/test_*.py tests/srtools/test_tf.py tests/lesson tests/otblite/test_otbtf_*.py \
	tests/otblite/test_serving.py \
	$(addprefix tests/srtools/,network training evaluation inference)

.PHONY: demo scene serve check docs pictures demo-pictures bench test test-slow test-keras2 \
	test-tensorflow test-real-otb test-real-otbtf real-otbtf lint format clean

demo: $(STAMP)
	$(BIN)/python -m demo.run --size $(SIZE)

scene: $(STAMP)
	$(BIN)/python -m demo.run --size $(SIZE) --scene_only

serve: $(STAMP)
	$(BIN)/python -m demo.server demo_run/scene

check: $(STAMP)
	$(BIN)/python -m lesson.check $(EX) $(ARGS)

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pictures: $(STAMP)
	$(BIN)/python docs/theory_figures.py

demo-pictures: demo
	$(BIN)/python -m docs.demo_pictures demo_run

bench: $(STAMP)
	$(BIN)/python -m bench

test: lint
	$(PYTEST) -m "not slow"

test-slow: $(STAMP)
	$(PYTEST) -m slow

test-keras2:
	$(MAKE) VENV=.venv-keras2 REQUIREMENTS=requirements-keras2.txt \
		TENSORFLOW=tensorflow==2.14.1 test-tensorflow

test-tensorflow: $(STAMP)
	$(PYTEST) -m "not slow" $(TENSORFLOW_TESTS)

# The bindings are built once.  Where they cannot be, that is said, and pytest skips.
test-real-otb: $(STAMP)
	tests/real_otb/build.sh .real-otb $(BIN)/python || test $$? = 77
	$(PYTEST) -rs tests/real_otb --ignore=tests/real_otb/test_scripts.py

test-real-otbtf:
	$(MAKE) VENV=.venv-keras2 REQUIREMENTS=requirements-keras2.txt \
		TENSORFLOW=tensorflow==2.14.1 real-otbtf

real-otbtf: $(STAMP)
	OTBTF_SOURCE="$(OTBTF_SOURCE)" tests/real_otb/build.sh .real-otb $(BIN)/python || \
		test $$? = 77
	$(BIN)/python -m pytest -rs tests/real_otb/test_scripts.py

lint: $(STAMP)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	PYTHONPATH=. $(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

REQUIREMENTS ?= requirements.txt
$(STAMP): requirements*.txt $(ENGINE)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	sys.exit(None if (3, 10) <= v <= (3, 13) else \
	"error: this is Python %d.%d, TensorFlow needs 3.10, 3.11, 3.12 or 3.13; " % v + \
	"name one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
		{ echo "error: $(PYTHON) cannot make environments; apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r $(REQUIREMENTS) $(TENSORFLOW) -r requirements-dev.txt
	@# pyotb asks for numpy<2; where that does not exist it works without.
	$(BIN)/python -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("pyotb"))' || \
		$(BIN)/python -m pip install --quiet --no-deps 'pyotb>=2.2.1,<3'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps ./otblite
	touch $@

clean:
	rm -rf .venv .venv-keras2 .real-otb demo_run
