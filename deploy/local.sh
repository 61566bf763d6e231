#!/usr/bin/env bash
# Behind ./dev up and ./dev down: local.sh up <folder with favord and favor> | down
# Three favords behind HAProxy, watched by Prometheus and Alertmanager, as plain processes of this machine with the
# configurations of deploy/; only names and ports are put in. Everything listens on 127.0.0.1, and lies below build/local
# ($FAVOR_UP_FOLDER, an absolute path, for another place).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly HERE=${FAVOR_UP_FOLDER:-$PWD/build/local}

# FAVOR_UP_BASE=N takes the ports from N on instead of the usual ones.
if [[ -n ${FAVOR_UP_BASE:-} ]]; then
  mapfile -t PORTS < <(seq "$FAVOR_UP_BASE" $((FAVOR_UP_BASE + 9)))
else
  PORTS=(50051 8404 9090 9093 50061 50062 50063 9464 9465 9466)
fi
readonly GRPC=${PORTS[0]} HAPROXY=${PORTS[1]} PROMETHEUS=${PORTS[2]} ALERTMANAGER=${PORTS[3]}
readonly REPLICAS=("${PORTS[@]:4:3}") METRICS=("${PORTS[@]:7:3}")

fail() {
  echo "up: $*" >&2
  exit 1
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start <name> <command...>: in the background, in a session of its own, so that Ctrl-C here ends nothing there.
start() {
  local name=$1
  shift
  setsid "$@" >"$HERE/$name.log" 2>&1 </dev/null &
  echo $! >"$HERE/$name.pid"
}

# await <name> <port>: until it listens; fails with the end of its log.
await() {
  local _
  for _ in $(seq 200); do
    ! listens "$2" || return 0
    kill -0 "$(<"$HERE/$1.pid")" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 "$HERE/$1.log" >&2
  fail "$1 does not listen on port $2; ./dev down stops the others"
}

# The processes that an earlier `up` started and that still are what they were: numbers are used again.
running() {
  local file pid
  for file in "$HERE"/*.pid; do
    [[ -r $file ]] || continue
    pid=$(<"$file")
    if grep -qF "$HERE" "/proc/$pid/environ" 2>/dev/null; then
      echo "$pid"
    fi
  done
}

render_configurations() {
  local replacements=() i
  for i in 0 1 2; do
    replacements+=(-e "s|favord-$((i + 1)):50051|127.0.0.1:${REPLICAS[i]}|" -e "s|favord-$((i + 1)):9464|127.0.0.1:${METRICS[i]}|")
  done
  replacements+=(-e "s|bind :50051|bind 127.0.0.1:$GRPC|" -e "s|bind :8404|bind 127.0.0.1:$HAPROXY|"
    -e "s|alertmanager:9093|127.0.0.1:$ALERTMANAGER|" -e "s|rules/\*.yml|$PWD/deploy/prometheus/rules/*.yml|"
    -e "s|job_name: envoy|job_name: haproxy|" -e "s|/stats/prometheus|/metrics|" -e "s|envoy:9901|127.0.0.1:$HAPROXY|"
    -e "s|receiver:9095|127.0.0.1:9|")  # alerts show on Alertmanager's page; nobody receives them
  for i in haproxy/haproxy.cfg prometheus/prometheus.yml alertmanager/alertmanager.yml; do
    sed "${replacements[@]}" "deploy/$i" >"$HERE/${i#*/}"
  done
}

links() {
  cat <<END
gRPC, through HAProxy    127.0.0.1:$GRPC
replicas                 $(printf '127.0.0.1:%s ' "${REPLICAS[@]}")
their metrics            $(printf 'http://127.0.0.1:%s/metrics ' "${METRICS[@]}")
HAProxy's metrics        http://127.0.0.1:$HAPROXY/metrics
Prometheus               http://127.0.0.1:$PROMETHEUS/graph?g0.expr=favor%3Ahandling_seconds%3Ap99_1m&g0.tab=0
  targets, alerts        http://127.0.0.1:$PROMETHEUS/targets http://127.0.0.1:$PROMETHEUS/alerts
Alertmanager             http://127.0.0.1:$ALERTMANAGER
logs                     $HERE/*.log
END
}

up() {
  local bin=$1 program port i
  [[ -z $(running) ]] || fail "already up; ./dev down first"
  for program in haproxy prometheus prometheus-alertmanager; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || fail "$program is not here (./dev setup deploy)"
  done
  for port in "${PORTS[@]}"; do
    ! listens "$port" || fail "port $port is taken; FAVOR_UP_BASE=N takes others, from N on"
  done
  rm -rf "$HERE" && mkdir -p "$HERE"
  export FAVOR_LOCAL=$HERE  # by this `down` knows them again
  render_configurations
  for i in 0 1 2; do
    start "favord-$((i + 1))" "$bin/favord" --address "127.0.0.1:${REPLICAS[i]}" --metrics-address "127.0.0.1:${METRICS[i]}"
  done
  start haproxy env PATH="$PATH:/usr/sbin" haproxy -db -f "$HERE/haproxy.cfg"
  start alertmanager prometheus-alertmanager --config.file="$HERE/alertmanager.yml" --storage.path="$HERE/alerts" \
    --web.listen-address="127.0.0.1:$ALERTMANAGER" --cluster.listen-address=
  start prometheus prometheus --config.file="$HERE/prometheus.yml" --storage.tsdb.path="$HERE/tsdb" \
    --web.listen-address="127.0.0.1:$PROMETHEUS"
  for i in 0 1 2; do await "favord-$((i + 1))" "${REPLICAS[i]}"; done
  await haproxy "$GRPC"
  await alertmanager "$ALERTMANAGER"
  await prometheus "$PROMETHEUS"
  links | tee "$HERE/links.txt"
  cat <<END

Try:  $bin/favor bench --endpoint 127.0.0.1:$GRPC --rate 50 --length 64 --duration 60s
and meanwhile:  kill -TERM \$(cat $HERE/favord-1.pid)
END
}

down() {
  local pids pid _
  pids=$(running)
  [[ -n $pids ]] || { echo "Nothing is up." && return 0; }
  # Twice: favord then skips the drain delay, nobody balances to it any more.
  for pid in $pids $pids; do kill -TERM "$pid" 2>/dev/null || true; done
  for _ in $(seq 100); do
    [[ -n $(running) ]] || break
    sleep 0.1
  done
  for pid in $(running); do kill -KILL "$pid"; done
  rm -f "$HERE"/*.pid
  echo "Stopped $(wc -w <<<"$pids") processes; their logs are in $HERE."
}

case ${1:-} in
  up) up "${2:?up needs the folder of favord}" ;;
  down) down ;;
  *) fail "up or down" ;;
esac
