#!/usr/bin/env bash
# The packages of the favord image as a CycloneDX 1.5 document, for scanners and auditors:
#   deploy/sbom.sh IMAGE > favord.cdx.json       asks dpkg inside the image, with the engine that works here
#   deploy/sbom.sh --stdin VERSION < packages    from lines that `dpkg-query -W -f "$(deploy/sbom.sh --format)"` wrote
# ./dev image writes it into build/. Not in it, since no package of the image: Eigen and nlohmann-json, which are headers
# compiled into favord.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Source names and versions too: advisories go by those.
# shellcheck disable=SC2016
readonly FORMAT='${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${Maintainer}\n'

# write_document <version of favord>: package lines on standard input. awk, since every Debian has one.
write_document() {
  sort | awk -F '\t' -v version="$1" -v time="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v serial="$(cat /proc/sys/kernel/random/uuid)" '
    function text(value) { gsub(/[\\"]/, "\\\\&", value); return "\"" value "\"" }
    # In a package URL what is not a letter, digit or one of .-_~ is escaped; versions hold + and : besides.
    function url(value) { gsub(/%/, "%25", value); gsub(/\+/, "%2B", value); gsub(/:/, "%3A", value); return value }
    BEGIN {
      print "{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"serialNumber\": \"urn:uuid:" serial "\","
      print "  \"version\": 1,\n  \"metadata\": {\n    \"timestamp\": " text(time) ","
      print "    \"component\": {\"bom-ref\": \"favord\", \"type\": \"container\", \"name\": \"favord\", \"version\": " text(version) ","
      print "                  \"licenses\": [{\"license\": {\"id\": \"Apache-2.0\"}}]}\n  },\n  \"components\": ["
    }
    NF == 6 {
      purl = "pkg:deb/debian/" url($1) "@" url($2) "?arch=" $3 "&distro=debian-12"
      printf "%s    {\"bom-ref\": %s, \"type\": \"library\", \"name\": %s, \"version\": %s, \"purl\": %s,\n", (count++ ? ",\n" : ""),
        text(purl), text($1), text($2), text(purl)
      printf "     \"supplier\": {\"name\": %s}, \"properties\": [{\"name\": \"debian:source\", \"value\": %s}]}", text($6), text($4 " " $5)
    }
    END {
      print "\n  ]\n}"
      if (!count) { print "sbom.sh: no packages were read" > "/dev/stderr"; exit 1 }
    }'
}

case ${1:-} in
  --format) printf '%s' "$FORMAT" ;;
  --stdin) write_document "${2:?--stdin needs the version of favord}" ;;
  "" | -*)
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
    exit 2
    ;;
  *)
    # shellcheck source=deploy/engine.sh
    . deploy/engine.sh
    find_engine || { echo "sbom.sh: none of docker, podman and buildah works here" >&2 && exit 77; }
    run_in_image "$1" dpkg-query -W -f "$FORMAT" | write_document "${1##*:}"
    ;;
esac
