# Two commands carry the project: `make demo` and `make test`. Both make .venv by themselves.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN = .venv/bin
EVENTS ?=
CONSENT ?=
ARGS ?=
SEED ?=
SEEDS ?=

.PHONY: demo test check bench simulate chaos mutate format clean

demo: .venv/run  ## the whole system on a stream of shop events, in a minute
	$(BIN)/anlass demo $(if $(EVENTS),--events "$(EVENTS)") $(if $(CONSENT),--consent "$(CONSENT)")

test: .venv/test  ## the whole suite: on all cores, then what starts Ray, three at a time; ARGS=what
ifeq ($(ARGS),)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not ray"
	$(BIN)/python -m pytest -n 3 --maxschedchunk 1 -m ray tests/chaos tests/system
else
	$(BIN)/python -m pytest $(ARGS)
endif

check: .venv/lint  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

simulate: .venv/test  ## the whole data path by seed, without processes; SEED=n repeats one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS)))

bench: .venv/test  ## seconds and ratios, as a table (ARGS=overload: that part)
	$(BIN)/python -m bench $(ARGS)

chaos: .venv/test  ## harm to the real system: SEEDS=n seeds (100), or SEED=n again; ARGS=--cluster
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

mutate: .venv/mutation  ## does a test notice when the engine is changed? ARGS=window: that module
	$(BIN)/python -m tests.mutation $(ARGS)

format: .venv/lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Anlass needs Python 3.11 or newer: install it, or name it with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv || { echo "python's venv module is missing: apt-get install python3-venv"; exit 1; }

.venv/run: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable .
	@touch $@

# pip learned --group in 25.1; the constraints pin one that knows it.
.venv/test: .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --group test
	@touch $@

.venv/lint: .venv/test
	$(BIN)/python -m pip install --quiet -c constraints.txt --group lint
	@touch $@

.venv/mutation: .venv/test
	$(BIN)/python -m pip install --quiet -c constraints.txt --group mutation
	@touch $@

clean:
	rm -rf .venv mutants
