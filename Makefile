# Every target does the set-up it needs; `make` alone lists them.
PYTHON ?= python3
SCENE ?= apples
ARGS ?=
DURATION_S ?= 300
RUN := .venv/bin/python
NATIVE := $(shell find csrc -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.py') setup.py

# The C and C++ tests have a build of their own: assertions on, warnings are errors,
# UERL_SANITIZE=address,undefined as in setup.py; EMULATOR runs programs of another machine.
comma := ,
OUT := build/tests-$(or $(EMULATOR),$(subst $(comma),-,$(UERL_SANITIZE)),plain)
CFLAGS := -g -O1 -MMD -MP -Wall -Wextra -Werror -pthread \
    $(if $(UERL_SANITIZE),-fsanitize=$(UERL_SANITIZE)) \
    -Icsrc/include -Icsrc -iquote csrc/core -iquote csrc/learner -iquote csrc/simulators
# Of the learner, what knows nothing of Python.
DEPENDENCIES := $(CXX) -nostdinc -nostdinc++ -Icsrc/include -Icsrc -M -MG
TESTED := $(wildcard csrc/core/*.c csrc/simulators/*.cpp) $(shell for file in csrc/learner/*.cpp; \
    do $(DEPENDENCIES) $$file | grep -q pybind11 || echo $$file; done)
PROGRAMS := $(patsubst tests/c/%,$(OUT)/%,$(basename $(wildcard tests/c/*.c tests/c/*.cpp)))

.PHONY: help build train play test test-c verify soak models \
    bench bench-full bench-report recovery lint format dist clean
.PHONY: sanitize fuzz bench-rollouts scaling scaling-report
.PHONY: crash-states unreal test-unreal test-bridge test-export test-pod test-ray
.PHONY: selfplay two-policies two-learners sac curriculum parallel-engines
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile | column -t -s:
	@echo "ARGS='...' is passed on; SCENE=apples|basic|... chooses what is trained"

build: .venv/built ## set up .venv and build the native parts

train: .venv/built ## train a policy with 8 simulators (SCENE=apples)
	$(RUN) examples/train_ppo.py --scene $(SCENE) $(ARGS)

play: .venv/built ## evaluate the shipped checkpoint and write a video
	$(RUN) examples/evaluate.py $(ARGS)

selfplay: .venv/built ## train two players of tennis against themselves and their past
	$(RUN) examples/train_selfplay.py $(ARGS)

two-policies: .venv/built ## train the two groups of gather, each with a policy of its own
	$(RUN) examples/train_two_policies.py $(ARGS)

two-learners: .venv/built ## train the two groups of gather in processes of their own
	$(RUN) examples/two_learners.py $(ARGS)

sac: .venv/built ## train off-policy, fed by whoever is ready first
	$(RUN) examples/train_sac.py $(ARGS)

curriculum: .venv/built ## train with less and less food
	$(RUN) examples/curriculum.py $(ARGS)

behavior-cloning: .venv/built ## record the shipped expert and learn from the data set
	$(RUN) examples/behavior_cloning.py $(ARGS)

test: .venv/built test-c ## run every test, but those that take long
	$(RUN) tests/unreal/build.py --out build/unreal/plain
	$(RUN) tests/halves.py $(ARGS)

test-slow: .venv/built ## run the tests that take long
	$(RUN) -m pytest -m slow $(ARGS)

test-web: .venv/built ## test the page of `uerl-shm view --web` in Chromium
	.ci/packages $(PYTHON) chromium
	$(RUN) -m pytest tests/cli/test_view_web.py tests/cli/test_view_web_browser.py $(ARGS)

test-c: ## run the tests in C and C++ only
	@$(MAKE) --no-print-directory --jobs=$(shell nproc) $(PROGRAMS)
	@failed=; for program in $(PROGRAMS); do echo "== $$program"; \
	    timeout 120 $(EMULATOR) $$program || failed="$$failed $$program"; done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

test-adapters: .venv/adapters ## train through the adapter of every framework, run their checkers
	$(RUN) tests/adapters/run.py $(ARGS)

test-ray: .venv/ray ## train on Ray over two simulated nodes, while somebody kills (10 minutes)
	$(RUN) tests/on_ray/run.py $(ARGS)

verify: .venv/built ## check every byte of ten million env steps
	$(RUN) tests/verify/verify.py $(ARGS)

models: ## search every state of the Spin models, and of their mutants
	.ci/packages $(PYTHON) spin
	$(PYTHON) tests/models/run.py $(ARGS)

crash-states: ## kill and stop a process in every state of each operation, and of seeded bugs
	.ci/packages $(PYTHON)
	$(PYTHON) tests/crash_states/run.py $(ARGS)

sanitize: ## run the tests in C and C++ and a race hunt with sanitizers, and their mutants
	.ci/packages $(PYTHON) clang-14 libclang-rt-14-dev
	$(PYTHON) tests/sanitize/run.py $(ARGS)

fuzz: DURATION_S = 600
fuzz: ## fuzz attaching and a living segment, each for DURATION_S seconds (600)
	.ci/packages $(PYTHON) clang-14 libclang-rt-14-dev
	$(PYTHON) tests/fuzz/run.py --duration-s $(DURATION_S) $(ARGS)

soak: .venv/built ## hurt simulators and learners for DURATION_S seconds
	$(RUN) tests/soak/soak.py --duration-s $(DURATION_S) $(ARGS)

unreal: ## copy the C core into the Unreal plugin
	$(PYTHON) tests/unreal/copy_core.py

test-unreal: .venv/built .venv/onnx ## all that can be shown of the Unreal plugin without an engine
	$(RUN) tests/unreal/run.py $(ARGS)

test-pod: .venv/k8s ## run the Pods of k8s/ with podman: images, users, a killed simulator
	-.ci/packages $(PYTHON) podman runc catatonit debootstrap
	$(RUN) tests/pod/run.py $(ARGS)

test-bridge: .venv/built ## a bridge between two network namespaces: bytes, cuts, strangers
	$(RUN) tests/unreal/build.py --out build/unreal/plain
	$(RUN) tests/bridge/run.py $(ARGS)

test-export: .venv/built .venv/onnx ## export policies, and serve them
	$(RUN) -m pytest tests/cli/test_export.py tests/cli/test_serve.py $(ARGS)

test-k8s: .venv/k8s ## examine every overlay of k8s/ (needs kubectl)
	$(RUN) tests/k8s/run.py $(ARGS)

bench: .venv/built .venv/peers ## measure what is promised, peers side by side (5 minutes)
	$(RUN) benchmarks/run.py $(ARGS)

bench-full: .venv/built .venv/peers ## every row of every table, kept in benchmarks/results
	$(RUN) benchmarks/run.py --full $(ARGS)

bench-report: .venv/built ## write docs/benchmarks.md from the kept runs
	$(RUN) benchmarks/report.py

scaling: .venv/built ## measure what one machine can show of many Pods
	$(RUN) benchmarks/scaling.py

scaling-report: .venv/built ## write the tables and the picture of docs/scaling.md
	$(RUN) benchmarks/scaling_report.py

recovery: .venv/built ## measure how soon a killed simulator or learner is replaced
	$(RUN) benchmarks/recovery.py

parallel-engines: .venv/built ## learn from 16 engines, and from one (10 minutes)
	$(RUN) benchmarks/parallel_engines.py

bench-rollouts: .venv/built ## measure rollouts beside torch.stack
	$(RUN) benchmarks/rollouts.py

lint: .venv/built ## ruff, mypy and clang-format, changing nothing
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/clang-format --dry-run -Werror $(filter %.c %.h %.cpp %.hpp,$(NATIVE))

format: .venv/built ## rewrite the sources as `make lint` wants them
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
	.venv/bin/clang-format -i $(filter %.c %.h %.cpp %.hpp,$(NATIVE))

dist: .venv/built ## build sdist and wheel into dist/
	$(RUN) -m build

clean: ## remove everything that was built; runs/ stays
	rm -rf .venv build dist *.egg-info uerl_shm/bin uerl_shm/include uerl_shm/lib uerl_shm/*.so

# PyTorch first, and alone: its version stands in constraints.txt.
.venv/installed: pyproject.toml constraints.txt
	.ci/packages $(PYTHON)
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install -c constraints.txt torch
	$(RUN) -m pip install --quiet setuptools pybind11 cffi
	@echo "installing what uerl_shm needs, and compiling it: a few minutes the first time"
	$(RUN) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[train,dev]'
	@touch $@

# Peers of the benchmarks. One that cannot be had here is left out, and its rows say so.
.venv/peers: .venv/installed
	-.ci/packages $(PYTHON) libboost-dev libgrpc++-dev pkg-config strace
	-for peer in grpcio cbor2 stable-baselines3 torchrl envpool; do \
	    $(RUN) -m pip install --quiet -c constraints.txt $$peer; done
	@touch $@

# What policies are exported with, and checked.
.venv/onnx: .venv/built
	$(RUN) -m pip install --quiet -c constraints.txt onnx onnxscript onnxruntime
	@touch $@

# The frameworks that there are adapters for.
.venv/adapters: .venv/built
	$(RUN) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[adapters]'
	@touch $@

# Ray, its RLlib and its Train.
.venv/ray: .venv/built
	$(RUN) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[ray]'
	@touch $@

# The schemas of Kubernetes, to validate manifests with.
.venv/k8s: .venv/built
	$(RUN) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[k8s]'
	@touch $@

.venv/built: .venv/installed $(NATIVE)
	@echo "compiling what changed in csrc"
	@$(RUN) setup.py -q build_ext --inplace
	@touch $@

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=c17 $(CFLAGS) -c $< -o $@

$(OUT)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(CFLAGS) -c $< -o $@

# An archive, so that a test's own main() wins over that of uerl-sim.
$(OUT)/libtested.a: $(addprefix $(OUT)/,$(addsuffix .o,$(basename $(TESTED))))
	@rm -f $@ && $(AR) rcs $@ $^

$(PROGRAMS): $(OUT)/%: $(OUT)/tests/c/%.o $(OUT)/libtested.a
	$(CXX) $(filter-out -MMD -MP,$(CFLAGS)) $(filter %.o %.a,$^) $(LDFLAGS) -o $@

# Programs of tests/sanitize and tests/fuzz; their runners choose compiler, sanitizer and OUT.
$(OUT)/%.program: $(OUT)/%.o $(OUT)/libtested.a
	$(CXX) $(filter-out -MMD -MP,$(CFLAGS)) $(filter %.o %.a,$^) $(LDFLAGS) -o $@

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
