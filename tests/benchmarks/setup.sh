# Part of ./dev, which sources it: what `./dev bench` does.

# Puts the Python of a virtual environment for the report into PYTHON, with the peers where an argument asks for them.
# Peers that cannot be installed are missing from the report and nothing else.
bench_python() {
  local folder=.cache/bench-python stamp
  PYTHON=$folder/bin/python
  [[ -x $PYTHON ]] || run_quietly "Making $folder" python3 -m venv "$folder" || fail "python3 -m venv does not work here"
  stamp=$(cksum tests/benchmarks/requirements.txt)
  if [[ $(cat "$folder/report.stamp" 2>/dev/null) != "$stamp" ]]; then
    run_quietly "Installing what the report needs" "$PYTHON" -m pip install -r tests/benchmarks/requirements.txt ||
      fail "pip could not install tests/benchmarks/requirements.txt"
    say "$stamp" >"$folder/report.stamp"
  fi
  [[ -n ${1:-} ]] || return 0
  stamp=$(cksum tests/benchmarks/peers/requirements.txt)
  if [[ $(cat "$folder/peers.stamp" 2>/dev/null) != "$stamp" ]]; then
    # pytorch-fast-transformers compiles against the PyTorch that is installed here, with this CPU's instructions, as our
    # own baseline does; its default is plain x86-64.
    if run_quietly "Installing peers, 3 GB" "$PYTHON" -m pip install --no-deps -r tests/benchmarks/peers/requirements.txt &&
      run_quietly "Compiling pytorch-fast-transformers" env CFLAGS="-O3 -g0 -march=native -mtune=generic" \
        "$PYTHON" -m pip install --no-deps --no-build-isolation pytorch-fast-transformers==0.4.0; then
      say "$stamp" >"$folder/peers.stamp"
    else
      say "Going on with the peers that are here."
    fi
  fi
}

# Adds what embeddings are measured with, transformers among it, to the folder of bench_python.
bench_embed_python() {
  local stamp folder=.cache/bench-python
  stamp=$(cksum tests/benchmarks/peers/requirements-embed.txt)
  [[ $(cat "$folder/embed.stamp" 2>/dev/null) != "$stamp" ]] || return 0
  run_quietly "Installing what embeddings are measured with" \
    "$PYTHON" -m pip install --no-deps -r tests/benchmarks/peers/requirements-embed.txt || return
  say "$stamp" >"$folder/embed.stamp"
}

# bench_embed [ARGUMENTS...]: what `./dev bench embed` does.
bench_embed() {
  local PYTHON argument peers=yes
  for argument in "$@"; do
    [[ $argument != --no-peers ]] || peers=""
  done
  need build bench model
  build release favord
  get_model || fail "all-MiniLM-L6-v2 could not be downloaded"
  bench_python "$peers"
  bench_embed_python || fail "pip could not install tests/benchmarks/peers/requirements-embed.txt"
  "$PYTHON" client/python/build_support/generate.py
  PYTHONPATH=client/python exec "$PYTHON" tests/benchmarks/embed.py "$@"
}

# bench_accuracy [ARGUMENTS...]: what `./dev bench accuracy` does.
bench_accuracy() {
  local PYTHON argument models=yes stamp folder=.cache/bench-python
  for argument in "$@"; do
    [[ $argument != --no-models && $argument != --quick ]] || models=""
  done
  need build bench model
  build release favord
  bench_python "$models"
  stamp=$(cksum tests/benchmarks/accuracy/requirements.txt)
  if [[ $(cat "$folder/accuracy.stamp" 2>/dev/null) != "$stamp" ]]; then
    run_quietly "Installing what the Python client needs" \
      "$PYTHON" -m pip install --no-deps -r tests/benchmarks/accuracy/requirements.txt ||
      fail "pip could not install tests/benchmarks/accuracy/requirements.txt"
    say "$stamp" >"$folder/accuracy.stamp"
  fi
  if [[ -n $models ]]; then
    get_model || say "all-MiniLM-L6-v2 could not be had; going on without."
    bench_embed_python || say "Going on without models that have not been recorded."
  fi
  "$PYTHON" client/python/build_support/generate.py
  PYTHONPATH=client/python:tests/benchmarks exec "$PYTHON" tests/benchmarks/accuracy/study.py "$@"
}

# bench_stream [TOKENS] [--output FILE]: what `./dev bench stream` does.
bench_stream() {
  local tokens=() output=docs/benchmarks/streams.md command="./dev bench stream $*"
  while (($#)); do
    case $1 in
      --output) output=${2:?--output needs a file} && shift ;;
      *) tokens=("$1") ;;
    esac
    shift
  done
  need build bench
  build release stream_benchmark
  build/release/benchmarks/stream_benchmark "${tokens[@]}" >build/stream.md || fail "the benchmark failed"
  {
    say "# Streams"
    say
    say "Written by \`${command% }\` on $(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git rev-parse --short HEAD)."
    say "$(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(uname -sr)."
    say
    cat build/stream.md
  } >"$output"
  say "$output"
}

# bench [ARGUMENTS...]: as `./dev bench --help` says.
bench() {
  local PYTHON peers=yes argument
  case ${1:-} in
    kernels | --benchmark_*)
      [[ $1 != kernels ]] || shift
      build release attention_benchmark
      exec build/release/benchmarks/attention_benchmark "$@"
      ;;
    dense)
      shift
      need bench
      build release dense_benchmark
      OMP_NUM_THREADS=1 exec build/release/benchmarks/dense_benchmark "$@"
      ;;
    stream)
      shift
      bench_stream "$@"
      exit
      ;;
    embed)
      shift
      bench_embed "$@"
      ;;
    accuracy)
      shift
      bench_accuracy "$@"
      ;;
    report)
      need bench
      bench_python
      exec "$PYTHON" tests/benchmarks/report.py "${2:-docs/benchmarks}"
      ;;
  esac
  for argument in "$@"; do
    [[ $argument != --no-peers ]] || peers=""
  done
  need build bench
  build release favor_benchmarks
  bench_python "$peers"
  exec "$PYTHON" tests/benchmarks/bench.py "$@"
}
