#!/usr/bin/env bash
# image_test.sh <folder with favor> <version>: builds the container image, runs it the strict way, calls it from outside.
set -euo pipefail
favor=$1/favor
version=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/engine.sh
. deploy/engine.sh

find_engine || { echo "no container engine works here" && exit 77; }
# buildah alone builds, but runs nothing.
[[ $ENGINE != buildah ]] || { echo "buildah cannot run an image" && exit 77; }

readonly TAG=favord-image-test:$version NAME=favord-image-test-$$
readonly PORT=$((20000 + RANDOM % 10000))
readonly METRICS_PORT=$((PORT + 10000))

fail() {
  echo "FAILED: $*"
  engine logs "$NAME" 2>&1 | tail -n 20 || true
  exit 1
}

# Engines without systemd and cgroups of their own need to be told.
engine() {
  if [[ $ENGINE == podman ]]; then
    podman --cgroup-manager cgroupfs --events-backend file "${RUNTIME[@]}" "$@"
  else
    "$ENGINE" "$@"
  fi
}
RUNTIME=()
! command -v runc >/dev/null || RUNTIME=(--runtime runc)

inspect() { engine inspect --type image --format "$1" "$TAG"; }

bash deploy/image.sh "$TAG"
trap 'engine rm -f "$NAME" >/dev/null 2>&1 || true' EXIT

[[ $(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}') == "$version" ]] || fail "version label"
[[ $(inspect '{{.Config.User}}') == 65532:65532 ]] || fail "the image does not run as 65532"
[[ $(inspect '{{json .Config}}{{json .}}') == *'"favor","health"'* || $(inspect '{{json .HealthCheck}}') == *health* ]] ||
  fail "no HEALTHCHECK"
size_mb=$(($(inspect '{{.Size}}') / 1000000))
echo "size: $size_mb MB"
((size_mb <= 150)) || fail "the image is larger than 150 MB"

# --no-healthcheck: podman schedules it with systemd, which need not be here; it is run by hand below.
engine run --detach --name "$NAME" --network host --read-only --cap-drop all --no-healthcheck \
  --ulimit nofile=20000:20000 --ulimit nproc=30000:30000 --env FAVORD_ADDRESS=127.0.0.1:$PORT \
  --env FAVORD_METRICS_ADDRESS=127.0.0.1:$METRICS_PORT --env FAVOR_ENDPOINT=127.0.0.1:$PORT "$TAG" >/dev/null ||
  { echo "$ENGINE cannot run a container here" && exit 77; }

address=127.0.0.1:$PORT
for _ in $(seq 100); do
  healthy=$("$favor" health --endpoint "$address" 2>&1) && break
  [[ $(engine inspect --format '{{.State.Running}}' "$NAME") == true ]] || fail "the container ended"
  sleep 0.1
done
"$favor" health --endpoint "$address" || fail "not healthy: $healthy"
engine exec "$NAME" favor health || fail "the health check does not run inside"
[[ $(engine exec "$NAME" id -u) == 65532 ]] || fail "favord does not run as 65532"
"$favor" info --endpoint "$address" | grep -F "$version" || fail "info does not say $version"
"$favor" attend --endpoint "$address" --input tests/data/qkv_rxnmapper_layer0.safetensors --mode exact >/dev/null ||
  fail "attend"
exec {metrics}<>"/dev/tcp/127.0.0.1/$METRICS_PORT" || fail "no metrics port"
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$metrics"
grep -q grpc_server_handled_total <&"$metrics" || fail "no metrics"

engine stop --time 20 "$NAME" >/dev/null
[[ $(engine inspect --format '{{.State.ExitCode}}' "$NAME") == 0 ]] || fail "SIGTERM did not end it with 0"
echo "the image works"
