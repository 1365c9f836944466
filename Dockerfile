# There is no `# syntax=` line, which would fetch another frontend: BuildKit and buildah know all that is used here. Dependabot
# keeps the digest fresh.
FROM rust:1.95-alpine@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS build
# The commit that `--version` names.
ARG GIT_COMMIT=
COPY . /src
# Alpine's Rust builds for musl, and links statically, by Rust's own linker: functions that are the same are there once, those that
# are alike stand side by side, which makes the download 7 % smaller, and the addresses to be moved take a few kilobytes, not 400.
# It comes with Rust for musl on both architectures (rust-lang/rust, src/ci/docker/host-x86_64/: `--enable-lld` in dist-x86_64-musl,
# `--enable-full-tools` in dist-arm-linux-musl). This image brings the C compiler and the certificates.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    cargo fetch --locked --manifest-path /src/Cargo.toml \
    && RUSTFLAGS=$(printf -- '--remap-path-prefix=%s= ' /usr/local/cargo/registry/src/*/) \
    cargo rustc --release --locked --manifest-path /src/Cargo.toml --target-dir /target --bin aws-oidc-doctor \
        -- @.ci/static.args \
    && install -D /target/release/aws-oidc-doctor /out/aws-oidc-doctor \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 644 -t /out/licenses /src/LICENSE-APACHE /src/LICENSE-MIT

# No USER: the runner's files belong to another user than ours would be. No WORKDIR: the runner mounts the workspace over it.
# `--build-context build=FOLDER` puts a folder in the place of the stage above: `.ci/run` and `.ci/release image` do.
FROM scratch AS runtime
COPY --from=build /out/ /
ENTRYPOINT ["/aws-oidc-doctor"]
