#!/usr/bin/env bash
# Writes the rules into the PrometheusRule of deploy/k8s; to be run after every change of one (a test compares them).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly TARGET=../k8s/overlays/production/monitoring.yaml
{
  sed '/^  groups:$/q' "$TARGET"
  for rules in rules/recording.yml rules/alerts.yml; do
    sed -e '1,/^groups:$/d' -e 's/^\(.\)/  \1/' "$rules"
  done
} >"$TARGET.new"
mv "$TARGET.new" "$TARGET"
