#!/usr/bin/env bash
# Builds the container image: ./dev image [TAG].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/engine.sh
. deploy/engine.sh

if ! find_engine; then
  echo "None of docker (with its daemon), podman and buildah works here (./dev setup image installs two of them)."
  exit 77
fi
version=$(sed -n 's/^project(favord VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${1:-favord:$version}
echo "Building $tag with $ENGINE"
provide_base debian:bookworm-slim || exit 77
build_image . --build-arg FAVOR_VERSION="$version" --tag "$tag"
echo "Built $tag"
sbom=build/favord-$version.cdx.json
mkdir -p build
if bash deploy/sbom.sh "$tag" >"$sbom"; then
  echo "Its packages: $sbom"
else
  rm -f "$sbom"
  echo "The list of its packages could not be made: nothing can be run inside the image here"
fi
