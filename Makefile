# make repro            everything: set up, say what will run, run it, show the headline numbers
# make plan             what a run would do, take and fill; P=<name>: with a profile
# make profile P=<name> a profile of profiles/ becomes params.yaml, and the packages of its models are installed
# make pull             what is published, without a run; P=<name>: of a profile
# make verify           whether all that is here is what was made
# make model            an entry of data/models/ from a model's own files: NAME=mine HUB=org/model | GGUF=file | FOLDER=path
# make lint-corpus      what in the stories could give their labels away
# make test             the test suite
# make gpu-check        on a machine with a GPU: is it exact there, and how fast; `make plan` then estimates for this card
# make repro-in-image   make repro in a container; CONTRIBUTING.md has the other commands
#
# Variables: TORCH_ARGS  pip options for torch, e.g. --index-url https://download.pytorch.org/whl/cpu (no CUDA libraries)
#            PYTHON      the Python to build .venv with (3.11 to 3.13); looked for when not given

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help repro test test-faults audit gpu-check plan profile model docs site release pull verify lint-corpus peers bench lint locks image image-check repro-in-image clean-scratch

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export HF_HUB_DISABLE_TELEMETRY := 1

TORCH := torch==2.13.0
TORCH_ARGS ?=
IMAGE ?= emotion-geometry
BASE_IMAGE ?=
# a bare `make` must not guess: 3.10 and 3.14 are refused by name
FIND_PYTHON = for p in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then echo $$p; exit 0; fi; done; \
	echo "error: no Python 3.11 to 3.13 with venv found (python3 is $$(python3 --version 2>&1 || true)); install one, e.g. apt-get install python3 python3-venv" >&2; exit 1

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

.venv/ready: locks/requirements.txt
	@test ! -L .venv || { echo "error: .venv is a link to $$(readlink .venv); remove the link, or bring what it leads to up to date with locks/requirements.txt and touch .venv/ready" >&2; exit 1; }
	@python=$$($(FIND_PYTHON)); echo "setting up .venv with $$python ($$($$python --version 2>&1))"; \
	rm -rf .venv; $$python -m venv .venv
	@python -m pip install -qq --disable-pip-version-check --retries 5 $(TORCH) $(TORCH_ARGS)
	@python -m pip install -qq --disable-pip-version-check --retries 5 --no-deps --require-hashes -r locks/requirements.txt
	@touch $@

repro: .venv/ready
	@python -m pipeline.plan.repro
	@python -m analysis.report.sections

test: .venv/ready
	@python -m pytest -n logical --maxprocesses 4

# The long form of what `make test` tries shortly: faults put into a finished run, and hostile input; counts are printed, and
# anything silent, stuck or ended in a traceback is an error. Half an hour on two cores.
FAULTS ?= 500
FUZZ_CASES ?= 10000
test-faults: .venv/ready
	@python -m tests.faults.matrix $(FAULTS)
	@FUZZ_CASES=$(FUZZ_CASES) python -m pytest -n logical --maxprocesses 4 tests/faults -k hostile

# What is installed, as an SBOM (CycloneDX), and whether a known vulnerability is among it; by tools in an environment of their own
.venv-audit/ready: locks/audit.txt
	@python=$$($(FIND_PYTHON)); rm -rf .venv-audit; $$python -m venv .venv-audit
	@.venv-audit/bin/python -m pip install -qq --disable-pip-version-check --retries 5 --no-deps -r locks/audit.txt
	@touch $@

SBOM ?= sbom.cdx.json
audit: .venv/ready .venv-audit/ready
	@.venv-audit/bin/cyclonedx-py environment --output-reproducible --output-file $(SBOM) .venv
	@echo "$(SBOM): what is installed in .venv, CycloneDX"
	@for lock in locks/requirements.txt locks/torch-cuda.txt; do \
		said=$$(.venv-audit/bin/pip-audit --requirement $$lock --require-hashes --disable-pip --progress-spinner off --vulnerability-service osv --timeout 20 2>&1) \
			&& echo "$$lock: no known vulnerability" \
			|| { if grep -q "^Found " <<<"$$said"; then echo "$$said"; exit 1; \
			else echo "$$lock: not checked: the database of vulnerabilities cannot be reached ($$(tail -n 1 <<<"$$said" | cut -c1-120))"; fi; }; done

gpu-check: .venv/ready
	@python -m benchmarks.gpu_check

plan: .venv/ready
	@python -m pipeline.plan.plan $(if $(P),profiles/$(P).yaml)

profile: .venv/ready
	@python -m pipeline.publish.profiles $(P)
	@test ! -f locks/$(P).txt || $(MAKE) --no-print-directory .venv/with-$(P)

# The packages with the models of a profile, where the default lock has not all of them
.venv/with-%: locks/%.txt .venv/ready
	@echo "installing the packages of $<"
	@python -m pip install -qq --disable-pip-version-check --retries 5 --no-deps --require-hashes -r $<
	@touch $@

# An entry of data/models/ from a model's own files: make model NAME=mine HUB=org/model | GGUF=file | FOLDER=path
model: .venv/ready
	@python -m pipeline.plan.new_entry "$(NAME)" "HUB=$(HUB)" "GGUF=$(GGUF)" "FOLDER=$(FOLDER)"

lint-corpus: .venv/ready
	@python -m pipeline.plan.lint

# The pages of docs/ that are written from the code
docs: .venv/ready
	@python -m pipeline.publish.dictionary
	@python -m pipeline.publish.reference
	@python -m tests.architectures
	@python -m benchmarks.gpu.page

# The same pages as a site of files, in an environment of its own
.venv-docs/ready: locks/docs.txt
	@python=$$($(FIND_PYTHON)); rm -rf .venv-docs; $$python -m venv .venv-docs
	@.venv-docs/bin/python -m pip install -qq --disable-pip-version-check --retries 5 --require-hashes -r locks/docs.txt
	@touch $@
site: .venv-docs/ready
	@.venv-docs/bin/mkdocs build --strict --quiet
	@echo "site/index.html is written"

# What is published, from the DVC remote of this checkout; P=<name>: of that profile, whose params.yaml it then is
pull: .venv/ready
	@python -m pipeline.publish.pull $(P)

# Whether everything here is what was made: DVC's cache, activations, vectors, tables
verify: .venv/ready
	@python -m pipeline.publish.verify

# The data under a git tag, in the DVC remote inside the repository: make release VERSION=1.0.0. Of a profile beside the default,
# which comes first: its lock is committed, and the default's release tags both
release: .venv/ready
	@python -m pipeline.publish.release $(VERSION)

# The tests and benchmarks that hold us against peers (TransformerLens, rsatoolbox), in an environment that sees this one's
.venv-peers/ready: .venv/ready locks/peers.txt
	@rm -rf .venv-peers; python -m venv .venv-peers
	@site='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	python -c "$$site" > "$$(.venv-peers/bin/python -c "$$site")/project.pth"
	@.venv-peers/bin/python -m pip install -qq --disable-pip-version-check --retries 5 --no-deps -r locks/peers.txt
	@touch $@

peers: .venv-peers/ready
	@.venv-peers/bin/python -m pytest tests/pipeline/reading/test_backends.py tests/analysis/test_to_rsatoolbox.py
	@.venv-peers/bin/python -m benchmarks.backends
	@.venv-peers/bin/python -m benchmarks.bootstrap

# One table: how fast, in how much memory and how exactly we read, beside transformers alone, TransformerLens, nnsight and
# steering-vectors. Then how fast we write what is to be read. Some minutes each; on a busy machine more.
bench: .venv-peers/ready
	@.venv-peers/bin/python -m benchmarks.bench
	@.venv-peers/bin/python -m benchmarks.write

lint: .venv/ready
	@ruff check . ; ruff format --check . ; mypy; lint-imports --no-cache

# The locks: everything but torch with hashes, for CPU and GPU machines alike; torch with its CUDA libraries, for the image; and
# the packages with the models of a profile, and what the site of docs/ is built with.
locks:
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes --no-emit-package torch \
		--custom-compile-command "make locks" --quiet --upgrade -o locks/requirements.txt
	echo '$(TORCH)' | uv pip compile - --no-config --universal --python-version 3.11 --generate-hashes \
		-c locks/requirements.txt --custom-compile-command "make locks" --quiet --upgrade -o locks/torch-cuda.txt
	python -m pipeline.plan.pins profiles/lineages.yaml locks/requirements.txt | uv pip compile - --no-config --no-deps --universal \
		--python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make locks" --quiet --upgrade -o locks/lineages.txt
	echo mkdocs-material | uv pip compile - --no-config --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make locks" --quiet --upgrade -o locks/docs.txt

BUILD = build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) $(BUILD_ARGS) -t $(IMAGE) .
image:
	docker $(BUILD)

# The image tried as a stranger would: a clone inside it, as a user without a name, pulls the release, and all is up to date. By
# docker, with nothing but /tmp to write to; where no docker runs, by buildah (BUILD_ARGS are options of the build).
STRANGER = git clone -q /source /tmp/clone && cd /tmp/clone && python -m pipeline.publish.pull && dvc repro --allow-missing
image-check:
	@if docker info >/dev/null 2>&1; then \
		docker $(BUILD); \
		docker run --rm --user 12345:12345 --read-only --tmpfs /tmp:exec -v "$(CURDIR)":/source:ro --entrypoint bash $(IMAGE) -c '$(STRANGER)'; \
	else \
		buildah build --isolation chroot --format docker $(patsubst build%,%,$(BUILD)); \
		box=$$(buildah from $(IMAGE)); trap 'buildah rm $$box >/dev/null' EXIT; \
		buildah run --isolation chroot --user 12345:12345 -v "$(CURDIR)":/source:ro $$box -- bash -c 'export HOME=/tmp/home; $(STRANGER)'; \
	fi

repro-in-image: image
	@mkdir -p "$${HF_HOME:-$$HOME/.cache/huggingface}"
	docker run --rm $$(command -v nvidia-smi >/dev/null && echo --gpus all) --user "$$(id -u):$$(id -g)" -v "$(CURDIR)":/work \
		-v "$${HF_HOME:-$$HOME/.cache/huggingface}":/hf -e HF_HOME=/hf -e HF_TOKEN $(IMAGE)

clean-scratch:
	rm -rf .scratch
