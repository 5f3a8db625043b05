# Everything a person types. PYTHON chooses the interpreter of .venv: make PYTHON=python3.13 test
PYTHON ?= python3
BIN := .venv/bin
# Tests take any warning for an error, also those that a shell asks Python to give of encodings in other people's code.
export PYTHONWARNDEFAULTENCODING :=

.PHONY: demo lab test test-all tools cluster cluster-down check manifests bench lock clean

## make demo       run the quickstart notebook on this machine, end to end
demo: .venv/ready
	$(BIN)/python -m notebooks.demo

## make lab        open the quickstart in JupyterLab
lab: .venv/ready
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

## make test       what this machine can test; says what it left out
test: .venv/ready
	$(BIN)/pytest

## make test-all   everything; fails for what is missing
test-all: .venv/ready check
	CI=true $(BIN)/pytest --durations=10

## make tools      the programs outside Python that some tests need (Debian, as root)
tools:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends skopeo chromium docker-registry buildah

## make cluster    a Kubernetes with its registries on this machine, for tests (Debian, as root; compiled once, with Go)
cluster:
	@tests/cluster/up --secure-registry

## make cluster-down  end it; what was compiled stays
cluster-down:
	@tests/cluster/down

## make check      format, lint, types, import contracts
check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## make manifests  write the manifests that options make anew, to be read in the commit
manifests: .venv/ready
	$(BIN)/python -m tests.kube.golden

## make bench      compare with peers, in one run; a thousand schedules of faults; fails on a miss
bench: .venv/ready
	$(BIN)/pytest -q --hypothesis-profile=heavy -k through_faults tests/registry/test_faults.py
	$(BIN)/python -m tests.benchmarks

## make lock       resolve the development requirements anew
lock: .venv/ready
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/dev.txt

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("fairing needs Python 3.10 or newer; set PYTHON=")'

clean:
	rm -rf .venv dist

# A phony file behind the bar is looked at first and never makes .venv old.
.venv/ready: requirements/dev.txt pyproject.toml | python
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
