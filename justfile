# Everyday commands; `just` lists them.
default:
    @just --list

# Start a network, price the SPX book on it, verify, pay, report.
quickstart *ARGS:
    cargo run --release -- quickstart {{ARGS}}

# Keep a network running.
up *ARGS:
    cargo run --release -- up {{ARGS}}

# The whole test suite.
test:
    cargo test --release --workspace
    cargo test --release --manifest-path jobs/Cargo.toml --workspace

# The same, with cargo-nextest.
nextest:
    cargo nextest run --release --workspace

fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path jobs/Cargo.toml

lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

deny:
    cargo deny check bans licenses sources

# Rebuild the bundled guests, or check that they are what the sources give.
guests *ARGS:
    cargo xtask guests {{ARGS}}

# Whole-network simulation: `just sim --seeds 500`.
sim *ARGS:
    cargo run --release -p assay-sim -- {{ARGS}}

# Failures of real hosts: needs root.
hosts *ARGS:
    scripts/hosts.sh {{ARGS}}

bench *ARGS:
    cargo run --release -- bench {{ARGS}}

# What CI runs before it starts networks.
pre-pr: lint test deny
