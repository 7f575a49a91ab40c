# The two commands are `make demo` and `make test`; the rest are their parts.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LAB   := target/debug/lab
TESTS := --test-threads=1 --nocapture
RUNS  ?= 10000000
# Other providers to measure beside ours; `make peers` builds these here.
PEERS := $(wildcard target/peers/terraform-provider-*)

.PHONY: help demo test test-long dist dist-all check needs acceptance bench docs deny fuzz pages peers setup lab-test lab-up lab-down lab-status lab-run

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: lab-up ## From nothing to a call that crosses regions
	@echo "== building the provider"
	cargo build --release --quiet
	cargo run --quiet --package mesh-lab --bin demo -- target/release/terraform-provider-mesh

# The lab is raised while the code is checked: its builds wait for downloads and linkers, and cargo's for theirs. `make` rather than $(MAKE),
# whose lines `make -n` would run.
test: setup ## Run every test, those on the lab too
	@cargo build --quiet --package mesh-lab
	@echo "== the lab, in the background: target/lab-up.log"
	@set -m; { $(LAB) up && $(LAB) build helm3; } >target/lab-up.log 2>&1 & lab=$$!; \
	  trap 'kill -- -$$lab 2>/dev/null || true' EXIT; \
	  make --no-print-directory check compiled; \
	  echo "== waiting for the lab"; \
	  wait $$lab || { cat target/lab-up.log; exit 1; }
	@$(MAKE) --no-print-directory lab-test acceptance

dist: setup ## Make a release in target/dist: an archive, checksums, bills of materials, mirrors
	release/dist

dist-all: setup ## As dist, for amd64 and arm64 (root, Debian): installs 450 MB for it
	release/setup
	PLATFORMS="linux_amd64 linux_arm64" release/dist

test-long: $(if $(NAME),,pages) dist-all ## The tests that take longer than `make test` allows, on a lab of three clusters
	cargo build --quiet --package mesh-lab
	$(LAB) build istio-older istioctl
	$(LAB) up --clusters 3
	cargo test --quiet --no-run --test acceptance
	$(LAB) run -- cargo test --test acceptance -- $(TESTS) --ignored $(NAME)

check: needs ## The fast inner loop: format, lints, unit and contract tests; needs no lab and no root
	@echo "== format"
	cargo fmt --all --check
	@echo "== lints"
	cargo clippy --workspace --all-targets --quiet $(if $(CI),-- -D warnings)
	@echo "== unit, contract and document tests"
	cargo test --workspace --quiet --lib --bins
	cargo test --workspace --quiet --doc
	cargo test --workspace --test layers --test docs --test modules --test troubleshooting --test contract

compiled:
	@cargo test --quiet --no-run --test acceptance --package terraform-provider-mesh
	@cargo test --quiet --no-run --test lab --package mesh-lab

acceptance: ## The tests on the lab, with both CLIs; NAME=… for some of them
	@echo "== on the lab: real clusters, real traffic, tofu and terraform"
	cargo test --quiet --no-run --test acceptance
	@$(LAB) up
ifdef NAME
	$(LAB) run -- cargo test --quiet --test acceptance -- $(TESTS) $(NAME)
else
	@$(LAB) run -- cargo test --quiet --test acceptance -- offline:: >target/offline.log 2>&1 & offline=$$!; \
	  $(LAB) run -- cargo test --test acceptance -- $(TESTS) --skip offline:: || failed=1; \
	  wait $$offline || failed=1; cat target/offline.log; [ -z "$${failed-}" ]
endif

bench: lab-up ## Measure start, memory, size and reads, on the lab
	cargo bench --quiet --no-run --bench bench
	$(LAB) run -- cargo bench --quiet --bench bench -- $(PEERS)

peers: ## Build other providers for `make bench` to measure beside ours
	GOBIN=$(CURDIR)/target/peers CGO_ENABLED=0 go install -ldflags='-s -w' github.com/hashicorp/terraform-provider-time@v0.14.2
	GOBIN=$(CURDIR)/target/peers CGO_ENABLED=0 go install -ldflags='-s -w' github.com/gavinbunney/terraform-provider-kubectl@v1.19.0

# The pictures in docs are taken by a test of their own: another Chromium draws other pixels, and those are for `git` to keep.
pages: ## The pages of mesh_topology in a browser: looks for faults, and writes pictures to target/topology
	@command -v chromium >/dev/null || { echo "== installing chromium"; apt-get update -qq; apt-get install -y -qq chromium >/dev/null; }
	cargo test --quiet --package terraform-provider-mesh --lib -- --ignored pages_are_shown_in_a_browser

lab-test: ## The lab's own tests
	@echo "== the lab itself"
	cargo test --package mesh-lab --test lab -- --ignored --test-threads=1

# Without AddressSanitizer, as this crate forbids unsafe code, and the sanitizer's own memory would be most of what the limit allows. But only
# a sanitizer sees each allocation, so the address space is bound too: memory that is asked for and not used is found by that.
FUZZ := cargo +nightly fuzz
fuzz: ## Fuzz the codecs and the handshake: 10 million executions each
	@command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz
	@$(FUZZ) build --fuzz-dir framework/fuzz --sanitizer none
	@ulimit -v $$((1 << 20)); for target in $$($(FUZZ) list --fuzz-dir framework/fuzz); do \
	  echo "== $$target"; \
	  mkdir -p framework/fuzz/corpus/$$target; \
	  $(FUZZ) run --fuzz-dir framework/fuzz --sanitizer none $$target framework/fuzz/corpus/$$target framework/fuzz/seeds/$$target -- \
	    -runs=$(RUNS) -rss_limit_mb=256 -malloc_limit_mb=256 -timeout=5 -print_final_stats=1; \
	done

docs: ## Write docs/ from the schemas and the examples
	UPDATE_DOCS=1 cargo test --quiet --test docs --test modules

# What the build needs: a program, its Debian package, and what it is for.
NEEDS := cargo:rustup:the_build cargo-fmt:rustfmt_of_rustup:make_check cargo-clippy:clippy_of_rustup:make_check cc:gcc:aws-lc protoc:protobuf-compiler:tf-provider

needs:
	@missing=; \
	for need in $(NEEDS); do \
	  IFS=: read -r program package purpose <<<"$$need"; \
	  command -v "$$program" >/dev/null || missing="$$missing  $$program, for $${purpose//_/ } (Debian: $${package//_/ })\n"; \
	done; \
	[ -z "$$missing" ] || { printf "These programs are missing:\n$$missing\`make setup\` installs what Debian has, as root.\n"; exit 1; }

setup: ## Install what the build and the tests need (root, Debian)
	@missing=; \
	for need in cc:gcc protoc:protobuf-compiler unzip:unzip zip:zip jq:jq openssl:openssl; do \
	  command -v "$${need%%:*}" >/dev/null || missing="$$missing $${need##*:}"; \
	done; \
	[ -z "$$missing" ] || { echo "== installing$$missing"; apt-get update -qq; apt-get install -y -qq $$missing >/dev/null; }

lab-up: setup ## Raise the lab, or repair it
	@echo "== the lab"
	cargo build --quiet --package mesh-lab
	$(LAB) up

lab-down: ## Remove the lab
	$(LAB) down

lab-status: ## Show what runs
	$(LAB) status

lab-run: ## Run a command on the lab's WAN: make lab-run CMD='kubectl …'
	$(LAB) run -- $(CMD)

deny: ## Licences and sources of the dependencies (and advisories, where their database can be had)
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny
	cargo deny --log-level error check licenses bans sources
