# `make` says what there is. The work is in scripts/ and benches/, which run without make as well.

export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help setup run test interop fmt lint reference release install bench soak clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## install what this machine lacks (Debian and kin; asks for sudo only if something is)
	scripts/setup test

run: ## start the gate, a sample backend and the memory service, and print calls to try; Ctrl-C stops all
	scripts/setup build
	@exec scripts/run

test: ## every test
	scripts/test

interop: ## real servers and stock clients through the gate (needs Python or Node)
	scripts/setup build
	scripts/interop

fmt: ## format the code
	cargo fmt

lint: ## what has to be clean before a commit
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

reference: ## write schemas/ and docs/reference/ anew, after a key has changed
	scripts/reference

release: ## the binaries to deploy: target/release/fabric-gate, fabric-memory
	cargo build --locked --release --bin fabric-gate --bin fabric-memory

install: ## what `release` made, with man pages and completions, below PREFIX (/usr/local); DESTDIR for packagers
	scripts/install

bench: ## instructions and CPU time per request, against a pingora that decides nothing
	scripts/setup bench
	benches/run

soak: ## load, reloads, upgrades, kills and floods for half an hour (SOAK_SECONDS, SOAK_SCALE)
	scripts/setup bench
	benches/run soak gate
	cargo test --locked --release --test life -- --ignored --nocapture --test-threads 1 soak
	cargo test --locked --release --test ownership -- --ignored --nocapture --test-threads 1 soak
	cargo test --locked --release --test ledger -- --ignored --nocapture --test-threads 1 soak
	cargo test --locked --release --test ceilings -- --ignored --nocapture --test-threads 1 soak
	cargo test --locked --release --test memory -- --ignored --nocapture --test-threads 1 soak ten_thousand
	cargo test --locked --release --test memory -- --ignored --nocapture --test-threads 1 soak

clean: ## remove what was built; data/ stays
	cargo clean
