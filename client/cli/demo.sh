#!/usr/bin/env bash
# The demonstration behind `./dev demo`: demo.sh <folder with favord and favor> [<folder of a sentence encoder>].
# Starts favord, sends it the queries, keys and values of a trained model (tests/data/README.md), shows what comes back,
# what it cost and how far it is from exact attention; embeds sentences and one very long sequence; then stops the server
# as an orchestrator would.
set -euo pipefail
bin=$(cd "$1" && pwd)
sentences=""
[[ ! -s ${2:-}/config.json ]] || sentences=$(cd "$2" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly INPUT=tests/data/qkv_rxnmapper_layer0.safetensors
readonly SMOOTH=0.0110485  # 1/sqrt(32)/16

work=$(mktemp -d)
server=""
finish() {
  [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

if [[ -t 1 ]]; then
  readonly BOLD=$'\e[1m' PLAIN=$'\e[0m'
else
  readonly BOLD="" PLAIN=""
fi
heading() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }
explain() { printf '%s\n' "$@"; }

# Shows a command and runs it.
show() {
  local argument
  printf '\n$ favor'
  for argument in "$@"; do
    [[ $argument != *[[:space:]]* ]] || argument="\"$argument\""
    printf ' %s' "$argument"
  done
  printf '\n'
  "$bin/favor" "$@" 2>&1
}

# Leaves out what a call printed before this section, as it is the same every time; errors stay.
from() { sed -n -e '/^$/p' -e '/^\$ /p' -e '/^favor /p' -e "/^$1/,\$p"; }

# A port nobody listens on. (The kernel picks the gRPC port; the metrics port must be known beforehand.)
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 10000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s' "$port"
      return
    fi
  done
  return 1
}

# A Performer with rotary positions, which takes sequences of any length; small, and not trained.
make_performer() {
  mkdir "$1"
  cp tests/data/models/performer/performer_lm_rotary.safetensors "$1/model.safetensors"
  cat >"$1/config.json" <<'END'
{"model_type": "performer-pytorch", "format_version": 1, "class": "PerformerLM",
 "kwargs": {"num_tokens": 61, "max_seq_len": 96, "dim": 48, "depth": 2, "heads": 3, "dim_head": 16, "nb_features": 40}}
END
  cat >"$1/favor_tokenizer.json" <<'END'
{"format_version": 1, "type": "characters", "uppercase": true, "unknown": "X", "vocabulary":
 ["<pad>", "A", "C", "D", "E", "F", "G", "H", "I", "K", "L", "M", "N", "P", "Q", "R", "S", "T", "V", "W", "X", "Y"]}
END
}

# The residues of a protein that does not exist, all on one line.
make_protein() {
  awk -v length_="$1" 'BEGIN {
    srand(1); letters = "ACDEFGHIKLMNPQRSTVWY"
    for (i = 0; i < length_; ++i) printf "%s", substr(letters, 1 + int(20 * rand()), 1)
    print ""
  }'
}

heading "Start favord"
metrics_port=$(free_port)
make_performer "$work/performer"
models=(--model "protein=$work/performer")
[[ -z $sentences ]] || models+=(--model "sentences=$sentences")
printf '$ favord --address 127.0.0.1:0 --metrics-address 127.0.0.1:%s' "$metrics_port"
printf ' %s' "${models[@]}"
printf '\n'
"$bin/favord" --address 127.0.0.1:0 --port-file "$work/port" --metrics-address "127.0.0.1:$metrics_port" \
  --drain-delay 0s "${models[@]}" 2>"$work/log" &
server=$!
for _ in $(seq 200); do
  [[ ! -s $work/port ]] || ! grep -q '"event":"serving"' "$work/log" || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.05
done
if ! kill -0 "$server" 2>/dev/null || [[ ! -s $work/port ]]; then
  echo "favord did not start:"
  cat "$work/log"
  exit 1
fi
FAVOR_ENDPOINT=127.0.0.1:$(tr -d '[:space:]' <"$work/port")
export FAVOR_ENDPOINT
show health
show info
show models

heading "Linear attention (FAVOR+) on inputs that suit it"
explain "Queries, keys and values of one layer of a trained model: 8 heads, 356 tokens. The scale is a sixteenth of the" \
  "default, as if queries and keys were a quarter as long: such smooth attention is what random features estimate well."
show attend --input "$INPUT" --scale "$SMOOTH" --rows 2 --compare
explain "" "More features, two from each row of the projection:"
show attend --input "$INPUT" --scale "$SMOOTH" --estimator hyperbolic --num-features 1024 --rows 0 --compare | from report

heading "The same, causal: a token sees only those before it"
show attend --input "$INPUT" --scale "$SMOOTH" --causal --rows 2 --compare | from output

heading "The same inputs, as the model was trained"
explain "This model was trained with softmax attention. Its sharp logits are beyond what random features can estimate: their" \
  "variance grows with exp(|q + k|^2). FAVOR+ is then no better than answering the mean of the values, and favor says so." \
  "Models trained with FAVOR+ do not have this problem: their features are their attention."
show attend --input "$INPUT" --rows 2 --compare | from output

heading "Exact softmax attention, for such models"
show attend --input "$INPUT" --mode exact --rows 2 | from output

if [[ -n $sentences ]]; then
  heading "Sentences to vectors: all-MiniLM-L6-v2, and who is near whom"
  show tokenize --model sentences "Linear attention, tokenised."
  show embed --model sentences --nearest --neighbours 1 \
    "A man is playing a guitar." "Someone makes music on a guitar." \
    "The stock market fell today." "Shares lost value this afternoon." \
    "How do I cook rice?" "What is the best way to boil rice?"
fi

heading "One very long sequence: 100,000 residues through a Performer"
make_protein 100000 >"$work/protein.txt"
show embed --model protein --input "$work/protein.txt"

heading "An error names the field, its value and the bound"
show attend --input "$INPUT" --num-features 100000 || explain "(exit code $?)"

heading "Metrics: http://127.0.0.1:$metrics_port/metrics"
exec 3<>"/dev/tcp/127.0.0.1/$metrics_port"
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
grep -E '^(grpc_server_handled_total.*"(Attend|Embed)".* [1-9]|favor_(tokens_total|embed_tokens_total|compute_seconds_(sum|count)|queue_wait_seconds_(sum|count)|build_info|admitted_bytes|rejected_total)|process_resident_memory_bytes)' <&3
exec 3>&-

heading "Stop (SIGTERM)"
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=""
tail -n 1 "$work/log"
echo "favord ended with exit code $status"
exit "$status"
