# Everything happens in ./.venv and ./build; `make` lists the targets.
PYTHON ?= python3
JOBS ?= $(shell nproc)
BENCH ?= --quick
VENV := .venv
BIN := $(VENV)/bin
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

venv: $(VENV)/ready $(VENV)/ready-test $(VENV)/ready-lint ## make .venv with the tools for building, testing and linting

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "convx needs Python 3.11 or later (set PYTHON=)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q --group build "numpy>=2"
	touch $@

# The dependency groups of pyproject.toml, each when it is first needed.
$(VENV)/ready-%: $(VENV)/ready
	$(BIN)/python -m pip install -q --group $*
	touch $@

# Uninstalled first: a convx that does not import would stop the build that mends it, by way of the entry point.
build: $(VENV)/ready ## build convx and install it into .venv, editable
	$(BIN)/python -m pip uninstall -q -y convx
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -C build-dir=build/editable -e .

demo: build $(VENV)/ready-demo ## filter a photograph, learn a filter and to read digits, draw it all into demo-out/
	$(BIN)/python -m convx demo --output demo-out

wheel: $(VENV)/ready ## build sdist and wheel into dist/
	$(BIN)/python -m build -q --outdir dist

test: build test-c $(VENV)/ready-test ## run the tests
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

test-c: $(VENV)/ready ## run the C tests
	cmake -S . -B build/c -G Ninja -DCONVX_TESTS=ON -DCONVX_WERROR=ON
	cmake --build build/c
	ctest --test-dir build/c --output-on-failure -j $(JOBS)

# With the 64-byte templates compiled for AVX2, so that machines without AVX-512 test them too. Threads are the same at every
# instruction set: one will do.
sanitize: $(VENV)/ready ## run the C tests under the address, undefined behaviour and thread sanitizers
	cmake -S . -B build/sanitize-address -G Ninja -DCONVX_TESTS=ON -DCONVX_SANITIZE=address,undefined -DCONVX_EMULATE_AVX512=ON
	cmake -S . -B build/sanitize-thread -G Ninja -DCONVX_TESTS=ON -DCONVX_SANITIZE=thread -DCONVX_LEVELS=avx2
	for kind in address thread; do \
	  cmake --build build/sanitize-$$kind && ctest --test-dir build/sanitize-$$kind --output-on-failure -j $(JOBS) \
	    $$([ $$kind = thread ] && echo '-E _(scalar|sse2|avx2)') || exit 1; \
	done

# Debian's packages that it needs are named by the script; TESTS="test_conv test_pool" chooses.
avx512: $(VENV)/ready ## run the C tests at AVX-512 in an emulated machine: about an hour
	tests/avx512/run $(TESTS)

# BENCH="--threads 2,1" for numbers to rely on: minutes, on a machine that does nothing else.
bench: build $(VENV)/ready-bench ## run every benchmark of asv_bench once, then measure convx beside other engines
	cd asv_bench && asv machine --yes && asv run --quick --python=same --show-stderr
	$(PYTHON) -m venv build/engines
	build/engines/bin/python -m pip install -q --upgrade "pip>=25.1"
	build/engines/bin/python -m pip install -q --group engines
	build/engines/bin/python -m pip install -q .
	build/engines/bin/python asv_bench/side_by_side $(BENCH)

peers: ## compare with PyTorch's operator samples and ONNX's node cases, in a venv of their own
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install -q --upgrade "pip>=25.1"
	build/peers/bin/python -m pip install -q --group peers
	build/peers/bin/python -m pip install -q .
	build/peers/bin/python -m pytest -q -c pyproject.toml -W default tests/peers

lint: $(VENV)/ready-lint ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files '*.c' '*.h' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(VENV)/ready-lint ## format C and Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files '*.c' '*.h' | xargs $(BIN)/clang-format -i

clean: ## remove what was built
	rm -rf build dist $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

.PHONY: help venv build demo wheel test test-c sanitize avx512 bench peers lint format clean
.DEFAULT_GOAL := help
