# One-word recipes; `.ci/run` runs the same commands.

# format, lints, dependency rules, documentation
check:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo deny check
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# all tests, clients included
test:
    cargo test --locked

# every fuzz target for `seconds` each
fuzz seconds="120":
    scripts/fuzz {{seconds}}

# the benches, and the peers beside us
bench:
    cargo bench --locked
    scripts/bench-peers
