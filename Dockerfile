# The operator as an image: built without the test bed, run as nobody on a read-only root.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc g++ cmake make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package secure-parameter-operator --bin secure-parameter-operator

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/secure-parameter-operator /usr/local/bin/secure-parameter-operator
USER 65532:65532
ENTRYPOINT ["secure-parameter-operator"]
CMD ["run"]
