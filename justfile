# The routines of a developer. The README's commands are the scripts themselves and do not need `just`.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("XDG_CACHE_HOME", env("HOME") / ".cache") / "tidegauge" / "target")

# What there is
default:
    @just --list --unsorted

# Does it compile? The quickest answer
check:
    cargo check --release --workspace --all-targets --locked

# Format everything, the benchmarks too
fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path bench/Cargo.toml

# Clippy with warnings denied
lint:
    cargo clippy --release --workspace --all-targets --locked -- -D warnings

# Everything CI runs, with a broker of its own
test:
    scripts/test

# The same without a broker
test-quick:
    scripts/test --quick

# Accept what the tests print now as the new goldens; read the diff like code
bless:
    TIDEGAUGE_BLESS=1 INSTA_UPDATE=always cargo test --release --workspace --locked
    git diff --stat

# Compose file, Dockerfile, manifests, by the tools that judge them; --server: the API server has to be there
check-deploy *options:
    scripts/check-deploy {{ options }}

# What docs/howto-secure-kafka.md says, against a broker with TLS, SCRAM and ACLs; --each takes each right away in turn
check-secure *options:
    scripts/check-secure {{ options }}

# Kubernetes' control plane, KEDA and Alertmanager, for check-deploy and interop; built once: ten minutes, half an hour, two
parts:
    scripts/parts/kubernetes install
    scripts/parts/keda install
    scripts/parts/alertmanager install

# Actuators and the notifier against them: docs/interop.md; a filter for names of tests
interop *filter:
    scripts/interop {{ filter }}

# The dashboards against Grafana's own types; needs Node and npm
dashboards:
    scripts/dashboards

# Engines side by side on the same topic, exactly once; --quick: does it work?
bench *arguments:
    bench/run {{ arguments }}

# What the width of windows costs
sliding *options:
    bench/sliding {{ options }}

# What numbers of instances cost, in time per record and memory per instance
instances *options:
    bench/instances {{ options }}

# How old counts and windows are at half the greatest rate
latency *options:
    bench/latency {{ options }}

# How old decisions are: 10,000 instances, 500 policies; a step of the load; --quick: does it work?
decisions *options:
    bench/decisions {{ options }}

# Ten times the rate that is sustained, for five minutes: memory, and nothing lost
overload *options:
    bench/overload {{ options }}

# 100 kills at seeded moments under full load: just chaos --kills 20 --seed 17
chaos *options:
    bench/chaos {{ options }}

# Queries of Nexmark, as far as windows are these queries
nexmark *options:
    bench/nexmark {{ options }}

# Where the time goes, by function (needs perf)
profile *options:
    bench/profile {{ options }}

# How long disturbances are felt: takeovers, an outage, a backlog, a transaction
reliability *what:
    bench/reliability {{ what }}

# Criterion benchmarks of single steps: just bench-micro decode
bench-micro *filter:
    cargo bench --workspace --locked -- {{ filter }}

# A broker to play with; any option of scripts/kafka up
kafka-up *options:
    scripts/kafka up {{ options }}

# Stop it and keep its data (scripts/kafka clean deletes them)
kafka-down:
    scripts/kafka down

# Licences, advisories, banned and doubled crates (cargo install --locked cargo-deny)
deny:
    cargo deny --locked check
    cargo deny --locked --manifest-path bench/Cargo.toml check --config deny.toml

# The crates' own documentation, private items included, warnings denied
doc *options:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items --locked {{ options }}

# Links, anchors, pages and marks of the documentation; with --run its commands too, by the built binary
docs *options:
    scripts/check-docs {{ options }}

# The documentation as a book, in target/book
book *options:
    scripts/parts/tool mdbook build docs {{ options }}

# The examples for Python and kcat, on a broker that runs: BOOTSTRAP=127.0.0.1:19092 just examples
examples:
    scripts/python-env make
    examples/run python avro
    examples/run python json
    examples/run kcat
