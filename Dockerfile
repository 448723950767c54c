# Crypto Watch in one image: the service, and the harness with its load generator.
#
#   docker build --tag crypto-watch .                     compiles all of it, which takes minutes
#   docker build --tag crypto-watch --target prebuilt .   takes what `cargo build --release` has made on this machine
#
# Prebuilt binaries must come from a system with a glibc no newer than Debian 12's (2.36).

FROM debian:12-slim AS runtime
# For AWS; and the load generator's HTTP client does not start without, whatever it is to speak.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY docker/healthy /opt/crypto-watch/
ENV PATH=/opt/crypto-watch:$PATH
USER 10001:10001
CMD ["crypto-watch-api", "--listen", "0.0.0.0:8080"]

# Docker's old builder makes every stage on its way to the one that is asked for, this one too, and wants something to
# copy where nothing has been built: that is the README.
FROM runtime AS prebuilt
COPY README.md target/release/crypto-watch-* /opt/crypto-watch/

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY build build
COPY service service
COPY scenarios scenarios
COPY sim sim
COPY benches benches
RUN cargo build --release --locked

FROM runtime AS service
COPY README.md /opt/crypto-watch/
COPY --from=build /src/target/release/crypto-watch-api /src/target/release/crypto-watch-update \
    /src/target/release/crypto-watch-keys /src/target/release/crypto-watch-sim /src/target/release/crypto-watch-load \
    /opt/crypto-watch/
