# Two commands matter: `make demo` shows an edited shot, `make test` says whether the tree is sound.
# Everything lives in .venv; stamp files inside it remember what was installed, so a second run starts at once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
PIP_ARGS ?=
SHARED ?= ../shared/data
OUT ?= out/demo
DEMO_ARGS ?=
TRAIN_ARGS ?=
PYTEST_ARGS ?=
DIST ?= dist

# The Blenders that the add-on is tested in, as Python environments with the bpy wheel: folder name = version.
BLENDERS := 4.5=4.5.15 5.0=5.0.1
BLENDER_CONSTRAINTS ?= blender-constraints.txt
BLENDER_STAMPS := $(foreach blender,$(BLENDERS),.blender/$(firstword $(subst =, ,$(blender)))/.installed)
BLENDER_PYTHONS := $(BLENDER_STAMPS:/.installed=/bin/python)
BLENDER_TESTS := tests/hosts/test_blender.py tests/hosts/test_extension_zip.py

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# One torch thread a process: two processes on two cores beat two threads, and results do not depend on the machine.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# Keep big activations instead of returning them to the system after every layer (docs/architecture.md, "Speed").
ALLOCATOR := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456

.PHONY: help demo test lint types format train bench system gl browser blender blender-test extension clean distclean

help:
	@echo "make demo    install, edit the sample shot, write EXRs and a contact sheet to $(OUT)"
	@echo "make test    install, Blender included, then ruff, mypy and pytest"
	@echo "make lint    ruff and mypy alone"
	@echo "make bench   speed of the generator and of one HD frame, stage by stage"
	@echo "make train   train the embedded model again (hours), resumes where it stopped"
	@echo "make gl      the OpenGL driver that rendering faces needs (as root; no GPU, no display)"
	@echo "make browser the Chromium that pages are tested in (as root)"
	@echo "make extension     the Blender add-on as one zip in $(DIST), built and validated by Blender's own tool"
	@echo "make blender       the Blenders for tests, in .blender; make blender-test runs what needs them"
	@echo "make clean   remove what was built; make distclean removes $(VENV) and .blender too"

demo: $(VENV)/.installed-run
	$(THREADS) $(ALLOCATOR) $(BIN)/lineament demo -o $(OUT) $(DEMO_ARGS)
	@echo "Pictures to look at:"
	@find "$(OUT)" -name '*.png' | sort | sed 's/^/  /'

test: system lint $(BLENDER_STAMPS)
	$(THREADS) $(BIN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy cannot follow the folder mapping of an editable install: it would then check each layer alone and take every
# import of another layer for Any. A folder of links with the installed shape gives it the real names.
types: $(VENV)/.installed-dev
	@mkdir -p build/layout/lineament
	@for layer in core plugin hosts gizmos; do ln -sfn "../../../$$layer" "build/layout/lineament/$$layer"; done
	MYPYPATH=build/layout $(BIN)/mypy -p lineament.core -p lineament.plugin -p lineament.hosts -p lineament.gizmos

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(VENV)/.installed-run
	$(THREADS) $(ALLOCATOR) nice -n 19 $(BIN)/lineament train default --data runs/faces --work runs/default --start default $(TRAIN_ARGS)

bench: $(VENV)/.installed-run
	$(THREADS) $(BIN)/python bench/bench_synthesis.py
	$(THREADS) $(ALLOCATOR) $(BIN)/python bench/bench_synthesis.py
	$(ALLOCATOR) $(BIN)/python bench/bench_frame.py --plate $(SHARED)/shot_a/plate/plate.1001.exr

# Mesa draws on the processor and needs neither GPU nor display. Only rendering faces needs it, so nothing depends on it.
gl:
	@if $(PYTHON) -c 'import ctypes; ctypes.CDLL("libEGL.so.1")' 2>/dev/null; then \
	    echo "libEGL is there; lineament doctor says what draws with it."; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libegl1 libgl1-mesa-dri; \
	else \
	    echo "libEGL is missing. Install an EGL driver: libegl1 and libgl1-mesa-dri on Debian and Ubuntu," >&2; \
	    echo "mesa-libEGL and mesa-dri-drivers on Fedora; as root, make gl does the former." >&2; \
	    exit 2; \
	fi

# Pages are tested in a real browser; only tests need it.
browser:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then \
	    echo "Chromium is there."; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
	    echo "Chromium is missing. Install the package chromium; as root, make browser does it on Debian." >&2; \
	    exit 2; \
	fi

# What `make test` needs from outside Python. Where it cannot be installed the tests that need it say so themselves.
system:
	-@$(MAKE) --no-print-directory gl
	-@$(MAKE) --no-print-directory browser

blender: $(BLENDER_STAMPS)

blender-test: $(VENV)/.installed-dev $(BLENDER_STAMPS)
	$(THREADS) $(BIN)/pytest $(BLENDER_TESTS) $(PYTEST_ARGS)

extension: $(VENV)/.installed-run $(BLENDER_STAMPS)
	$(BIN)/python -m lineament.hosts.blender.packaging $(DIST) $(BLENDER_PYTHONS)

clean:
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './.blender/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .blender *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is too old: the pinned packages need Python 3.11. Say PYTHON=/path/to/python3.11." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(PIP) install --quiet $(PIP_ARGS) -c $(CONSTRAINTS) -e '.[engine,cli,faces]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(PIP) install --quiet $(PIP_ARGS) -c $(CONSTRAINTS) -e '.[engine,cli,faces,review,dask,dev]'
	@touch $@ $(VENV)/.installed-run

# 370 MB a version, from pip's cache the second time. A download of that size meets a hiccup now and then: three tries.
.blender/%/.installed: $(BLENDER_CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	    { echo "Blender $* needs Python 3.11 exactly. Say PYTHON=/path/to/python3.11." >&2; exit 2; }
	$(PYTHON) -m venv .blender/$*
	@for try in 1 2 3; do \
	    echo "Installing Blender $(bpy_version), try $$try of 3"; \
	    if .blender/$*/bin/python -m pip --disable-pip-version-check install --quiet --prefer-binary $(PIP_ARGS) \
	        -c $(BLENDER_CONSTRAINTS) bpy==$(bpy_version) numpy pytest; then touch $@; exit 0; fi; \
	    [ $$try = 3 ] || sleep $$((try * 10)); \
	done; \
	echo "Blender $(bpy_version) could not be installed. Is the package index reachable? Run make blender again." >&2; \
	exit 2

bpy_version = $(patsubst $*=%,%,$(filter $*=%,$(BLENDERS)))
