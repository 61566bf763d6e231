#!/usr/bin/env bash
# run.sh <favord>: the accuracy study's tests, by the first Python that has what they need ($FAVOR_PYTHON to name one).
# Charts are tested where matplotlib is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly NEEDED='import sys; assert sys.version_info >= (3, 11); import grpc, google.protobuf, numpy, pytest'
for python in ${FAVOR_PYTHON:-python3 /usr/bin/python3}; do
  if "$python" -c "$NEEDED" 2>/dev/null; then
    FAVORD_BINARY=$1 exec "$python" -B -m pytest -q -p no:cacheprovider .
  fi
done
echo "no Python 3.11 with grpcio, protobuf, numpy and pytest is here"
exit 77
