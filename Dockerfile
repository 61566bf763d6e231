# favord in a container: docker build -t favord . (or ./dev image, which also works with podman and buildah).
FROM debian:bookworm-slim AS builder
WORKDIR /src
COPY dev ./
RUN ./dev setup build
COPY . .
RUN cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFAVOR_BUILD_TESTS=OFF -DFAVOR_BUILD_BENCHMARKS=OFF \
  && cmake --build /build --target favord favor_cli \
  && install -D --strip -t /out /build/bin/favord /build/bin/favor
# The packages that own the shared libraries the two programs load: what the image has to install.
RUN ldd /out/favord /out/favor | awk '$2 == "=>" {print $3}' | sort -u | xargs -n 1 readlink -f \
  | xargs -n 1 dpkg-query --search | cut -d: -f1 | sort -u > /runtime-packages

FROM debian:bookworm-slim
COPY --from=builder /runtime-packages /tmp/
RUN apt-get update \
  && xargs apt-get install -y --no-install-recommends < /tmp/runtime-packages \
  # 6 MB of libraries that the packages hold and neither program loads.
  && for unused in grpc_unsecure grpc++_unsecure grpc_plugin_support icuio icutest icutu; do \
       rm -f /usr/lib/*/lib"$unused".so*; \
     done \
  && rm -rf /tmp/runtime-packages /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/*
COPY LICENSE /usr/share/doc/favord/LICENSE
COPY --from=builder /out/ /usr/bin/

ARG FAVOR_VERSION=unknown
LABEL org.opencontainers.image.title="favord" \
      org.opencontainers.image.description="FAVOR+ linear attention as a gRPC service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${FAVOR_VERSION}"
# Inside a container the loopback address reaches nobody.
ENV FAVORD_ADDRESS=0.0.0.0:50051 \
    FAVORD_METRICS_ADDRESS=0.0.0.0:9464
EXPOSE 50051 9464
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["favor", "health"]
ENTRYPOINT ["favord"]
