# syntax=docker/dockerfile:1

# Pinned by tag: put the digest of the release's base image behind it (`rust:1.95-alpine@sha256:…`) where a registry can be
# asked; Dependabot then keeps both fresh. A release never builds on the user's runner: it is a prebuilt image, by digest.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
COPY . /src
# Alpine's Rust builds for musl, and links statically.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    cargo build --release --locked --manifest-path /src/Cargo.toml --target-dir /target \
    && install -D /target/release/aws-oidc-doctor /out/aws-oidc-doctor

# No USER: the runner's files belong to another user than ours would be. No WORKDIR: the runner mounts the workspace over it.
# `--build-context build=FOLDER` puts a folder in the place of the stage above, which is how `.ci/run` builds this stage alone.
FROM scratch AS runtime
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/aws-oidc-doctor /aws-oidc-doctor
ENTRYPOINT ["/aws-oidc-doctor"]
