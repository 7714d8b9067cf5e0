# Every target works from a fresh clone: it makes .venv and installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs/base
CORPORA ?= corpora
SEGMENTS ?= 60000

.PHONY: help demo serve test test-slow test-corpus lint format bench train compare clean

help:
	@echo "make demo         speak a sample library, serve it, print the URL"
	@echo "make test         lint, types and the fast tests"
	@echo "make test-slow    the tests that take minutes"
	@echo "make test-corpus  the tests on labelled corpora (CORPORA=folder)"
	@echo "make lint         ruff and mypy      make format   ruff's formatter"
	@echo "make bench        the benchmarks     make train    train and export a bundle (CORPORA=folder)"
	@echo "make compare      the losses of the paper side by side, on what make train prepared"

# The runtime alone: no torch.
.venv/.runtime: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# torch is named by itself first, so that its pinned build is found before anything else asks for a looser one.
.venv/.dev: .venv/.runtime
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[train,dev]'
	touch $@

# What checks the page: the TypeScript compiler and axe-core. Without Node.js those checks are skipped, saying so.
node_modules/.package-lock.json: package-lock.json
	if command -v npm > /dev/null; then npm ci --silent; fi

demo: .venv/.runtime
	$(BIN)/emotionrank demo

serve: .venv/.runtime
	$(BIN)/emotionrank serve

lint: .venv/.dev node_modules/.package-lock.json
	if test -x node_modules/.bin/tsc; then node_modules/.bin/tsc; fi
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/pytest -m "not slow and not corpus" -n 2

test-slow: .venv/.dev
	$(BIN)/pytest -m slow

test-corpus: .venv/.dev
	EMOTIONRANK_CORPORA=$(abspath $(CORPORA)) $(BIN)/pytest -m corpus

bench: .venv/.dev
	$(BIN)/python -m benchmarks.encoders
	$(BIN)/python -m benchmarks.build
	$(BIN)/python -m benchmarks.export
	$(BIN)/python -m benchmarks.loss
	$(BIN)/python -m benchmarks.search --segments $(SEGMENTS) --corpus $(CORPORA)/ravdess $(CORPORA)/nemo

train: .venv/.dev
	@test ! -e $(RUNS)/last.pt || { echo "$(RUNS) holds a run already; choose another folder: make train RUNS=..."; exit 2; }
	@test -d "$(CORPORA)" || { echo "no corpora at $(CORPORA); say where they are: make train CORPORA=..."; exit 2; }
	$(BIN)/emotionrank corpus prepare ravdess $(CORPORA)/ravdess --output $(RUNS)/ravdess.csv
	$(BIN)/emotionrank corpus prepare nemo $(CORPORA)/nemo --output $(RUNS)/nemo.csv
	$(BIN)/emotionrank train $(RUNS)/ravdess.csv $(RUNS)/nemo.csv --run $(RUNS) --config emotionrank-base
	$(BIN)/emotionrank export $(RUNS) --output $(RUNS)/heard --name emotionrank-base --licence CC-BY-NC-SA-4.0
	$(BIN)/emotionrank reword $(RUNS)/heard $(RUNS)/ravdess.csv $(RUNS)/nemo.csv --output $(RUNS)/worded --version 0.1.0
	$(BIN)/emotionrank steady $(RUNS)/worded $(RUNS)/ravdess.csv $(RUNS)/nemo.csv --run $(RUNS) --output $(RUNS)/bundle --version 0.1.0

compare: .venv/.dev
	@test -f $(RUNS)/ravdess.csv || { echo "$(RUNS) has no manifests; run make train first"; exit 2; }
	$(BIN)/python -m model_export.training.compare $(RUNS)/ravdess.csv $(RUNS)/nemo.csv \
	  --config model_export/configs/losses.toml --folder $(RUNS)/losses

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
