# The operator as an image, for those who build with a container engine. It has the files and the settings of the image that
# `cargo xtask release` makes without one.

# The digest decides; the tag tells people what it is.
ARG RUST=docker.io/library/rust:1.95-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM ${RUST} AS build
WORKDIR /workspace/secure-parameter-operator

# The dependencies are a layer of their own, with programs that do nothing. It is built again only if this list changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY xtask xtask
COPY tests/testbed/Cargo.toml tests/testbed/
RUN for program in . tests/testbed; do mkdir -p $program/src && touch $program/src/lib.rs; done \
    && for program in src tests/testbed/src tests/integration benches/scale; do \
        mkdir -p $program && echo 'fn main() {}' > $program/main.rs; done \
    && cargo xtask image-root --out /nothing

COPY . .
# The metric of the build shows it.
ARG REVISION=unknown
# Cargo compares times, and these files may be older than the programs above.
RUN touch src/lib.rs src/main.rs && SPO_REVISION=$REVISION cargo xtask image-root --out /image

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="secure-parameter-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
ENV PATH=/
EXPOSE 8080
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/secure-parameter-operator"]
CMD ["run"]
