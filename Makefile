# The dubbing workbench. `make` alone lists what there is; `make demo` and `make test` need nothing before.
PYTHON ?= python3
BIN := .venv/bin
DEBIAN := ffmpeg flite espeak-ng apertium apertium-eng-spa apertium-eng-cat apertium-spa-ita
TESTING := chromium fonts-dejavu-core libatomic1
UV := 0.13.8
MODELS := torch==2.13.0 torchcodec==0.13.0 torchaudio==2.11.0 coqui-tts==0.28.0 six 'pyannote.audio>=4.0.7' demucs
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup system packages demo test test-models check lint bench golden pictures lab clean lock

help: ## say what each command does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: system .venv/ready ## install everything: Debian packages, a virtual environment, the workbench, its models
	@$(BIN)/workbench engines fetch default \
	  || echo "Without these models, engines that need none step in where params/engines.yaml lists them. Try again: make setup"

system:
	@$(MAKE) -s packages NEEDED="$(DEBIAN)"

# Debian packages named in NEEDED, where the user may install them; else a message that names them.
packages:
	@missing=""; \
	for package in $(NEEDED); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  for program in ffmpeg flite espeak-ng apertium; do command -v $$program >/dev/null || absent="$$absent $$program"; done; \
	  if [ -z "$$absent" ]; then exit 0; fi; \
	  echo "Missing programs:$$absent. This is no Debian: install them by your system's means, or see environment.yml for conda." >&2; exit 1; \
	elif [ "$$(id -u)" = 0 ]; then as=""; \
	elif sudo -n true 2>/dev/null; then as="sudo"; \
	else echo "Missing Debian packages. Run: sudo apt-get install$$missing   (without sudo: see environment.yml for conda)" >&2; exit 1; fi; \
	echo "installing$$missing"; \
	$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$missing >/dev/null

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.11 to 3.13 is needed; $(PYTHON) is another. Run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -q uv==$(UV)
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --no-deps --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup ## dub the demo episode; says where the films and the reports are
	$(BIN)/workbench repro demo/e01/es demo/e01/ca
	@$(BIN)/workbench page

test: setup ## run the tests
	@$(MAKE) -s packages NEEDED="$(TESTING)" || echo "no browser: the tests that look at pages will be skipped"
	$(BIN)/python -m pytest -q

test-models: .venv-models/ready ## run the tests of the big engines too, with tiny models, in an environment of its own
	.venv-models/bin/python -m pytest -q

# The extra gpu as it runs on a CPU. There is no torchaudio for a CPU: its libraries ask for CUDA, and
# without them all but its aligner and decoder works.
.venv-models/ready: .venv/ready
	$(PYTHON) -m venv --clear .venv-models
	$(BIN)/uv pip install -q --python .venv-models/bin/python --require-hashes --no-deps --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install -q --python .venv-models/bin/python --compile-bytecode $(addprefix --find-links ,$(PIP_FIND_LINKS)) $(MODELS)
	$(BIN)/uv pip install -q --python .venv-models/bin/python --no-deps -e .
	rm .venv-models/lib/python3*/site-packages/torchaudio/lib/*.so
	@touch $@

check: lint ## lint, types, and whether dvc.lock speaks of this code
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_notebooks.py
	$(BIN)/dvc repro --dry --allow-missing -P

lint: setup ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup ## measure, and write reports/benchmarks/
	$(BIN)/python -m pytest -q -s tests/benchmarks --benchmarks

golden: setup ## keep what the demo came to, as last dubbed, for the tests to compare
	$(BIN)/python -m tests.golden

pictures: setup ## make the README's pictures from the demo as last dubbed
	$(BIN)/python -m tests.pictures

lab: setup ## open JupyterLab
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $$([ "$$(id -u)" != 0 ] || echo --allow-root)

clean: ## remove what can be made again: takes kept for speed, executed notebooks, caches; models stay
	[ ! -d .cache ] || find .cache -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis reports/*/*/ 

lock: setup ## resolve the Python packages anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra prints --universal --generate-hashes \
	  --no-emit-index-url --no-annotate -q --custom-compile-command "make lock" -o requirements.lock
