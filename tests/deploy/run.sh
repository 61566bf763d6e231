#!/usr/bin/env bash
# run.sh <folder with favord and favor> <pytest arguments...>: these tests, by the first Python that has what they need
# ($FAVOR_PYTHON to name one). Ends with 77, which ctest counts as skipped, when nothing could be run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly NEEDED='import sys; assert sys.version_info >= (3, 11); import pytest, yaml'
# That of the tools, where it was made, reads OpenTelemetry's messages.
readonly TOOLS=$PWD/../../.cache/deploy-tools/python/bin/python
for python in ${FAVOR_PYTHON:-"$TOOLS" python3 /usr/bin/python3}; do
  if "$python" -c "$NEEDED" 2>/dev/null; then
    status=0
    FAVOR_BIN=$1 "$python" -B -m pytest -q -s -p no:cacheprovider "${@:2}" || status=$?
    ((status != 5)) || status=77  # not one test was there to run
    exit "$status"
  fi
done
echo "no Python 3.11 with pytest and yaml is here"
exit 77
