# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the drills beside it: a small fleet on loopback that is watched by a real Prometheus with the rules of
# deploy/prometheus, made impatient (each `for` 2 s, each range 15 s). Everything ends with the script.
# Wanted: redis-server, prometheus, curl, and `spillway` (SPILLWAY_BIN, else build/release/spillway, else the PATH).

drills=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
patience=${DRILL_PATIENCE:-60} # seconds that an alert may take
clients_of_each=6
bytes=${DRILL_BYTES:-200} # of a message; ten a second

lab='' prometheus_url=''
redis='' redis_port=''
nodes=() admin=() public=() clients=() others=()

fail() {
    echo "drill failed: $*" >&2
    exit 1
}

say() {
    echo "* $*"
}

# At once and for good; the shell would tell of it otherwise.
kill_hard() {
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

lab_end() {
    local pid status=$?
    trap - EXIT
    for pid in "${clients[@]}" "${others[@]}"; do
        kill -KILL -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    for pid in "${nodes[@]}" "$redis"; do
        [ -z "$pid" ] || kill_hard "$pid"
    done
    if [ "$status" -ne 0 ] && [ -d "$lab" ]; then
        tail -n 5 "$lab"/*.log >&2 || true
    fi
    [ -z "$lab" ] || rm -rf "$lab"
    exit "$status"
}

# A port of the loopback that nobody listens on, below those that the kernel hands out.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((12000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail "no free port"
}

# until_true WHAT COMMAND...: looks until the command is content.
until_true() {
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: not within $patience s"
        sleep 0.2
    done
}

# --- the fleet ------------------------------------------------------------------------------------

redis_answers() {
    curl -s -m 1 "telnet://127.0.0.1:$redis_port" <<<$'PING\r\nQUIT\r' 2>/dev/null | grep -q PONG
}

redis_start() {
    redis_port=${redis_port:-$(free_port)}
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$lab" >>"$lab/redis.log" 2>&1 &
    redis=$!
    until_true "Redis" redis_answers
}

# node_start INDEX: on ports of its own choice the first time, and the same ones again.
node_start() {
    local index=$1 ready="$lab/node-$1.ready"
    : >"$ready"
    "$spillway" --bus "redis://127.0.0.1:$redis_port" --listen "127.0.0.1:${public[$index]:-0}" \
        --admin-listen "127.0.0.1:${admin[$index]:-0}" --workers 1 --drain-delay-ms 0 --drain-ms 200 \
        >"$ready" 2>>"$lab/node-$index.log" &
    nodes[index]=$!
    until_true "node $index" grep -q ^ready "$ready"
    public[index]=$(sed -nE 's/^ready listen=[^ ]*:([0-9]+) .*/\1/p' "$ready")
    admin[index]=$(sed -nE 's/^ready .* admin=[^ ]*:([0-9]+) .*/\1/p' "$ready")
}

clients_start() {
    local port
    for port in "${public[@]}"; do
        for _ in $(seq "$clients_of_each"); do
            setsid "$spillway" sub 'drill.>' --url "ws://127.0.0.1:$port" >/dev/null 2>>"$lab/clients.log" &
            clients+=($!)
        done
    done
}

# Ten messages a second through the first node, until the lab ends; after a failure again.
publish() {
    local pad
    pad=$(printf "%${bytes}s" '')
    while :; do
        while :; do
            echo "{\"pad\":\"$pad\"}" && sleep 0.1
        done | "$spillway" pub drill.ticks --admin-url "http://127.0.0.1:${admin[0]}"
        sleep 0.5
    done
}

# --- who watches it -------------------------------------------------------------------------------

prometheus_start() {
    local port
    port=$(free_port)
    prometheus_url=http://127.0.0.1:$port
    sed -E 's/^( +for:) .*/\1 2s/; s/^( +interval:) .*/\1 1s/; s/\[[0-9]+[mh]\]/[15s]/g' \
        "$drills/../prometheus/rules.yaml" >"$lab/rules.yaml"
    cat >"$lab/prometheus.yaml" <<END
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: spillway
    static_configs:
      - targets: [$(printf '"127.0.0.1:%s",' "${admin[@]}")]
END
    setsid prometheus --config.file="$lab/prometheus.yaml" --storage.tsdb.path="$lab/data" \
        --web.listen-address="127.0.0.1:$port" --log.level=warn >"$lab/prometheus.log" 2>&1 &
    others+=($!)
    until_true "Prometheus" curl -sf -m 2 -o /dev/null "$prometheus_url/-/ready"
}

# holds QUERY: does it bring anything?
holds() {
    local answer
    answer=$(curl -s -m 5 -G "$prometheus_url/api/v1/query" --data-urlencode "query=$1") &&
        [[ $answer == '{"status":"success"'*'"result":[{'* ]]
}
not() {
    ! "$@"
}

# expect WHAT QUERY: and says how long it took.
expect() {
    local start=$EPOCHREALTIME
    until_true "$1" holds "$2"
    since "$1" "$start"
}
since() {
    awk -v what="$1" -v from="$2" -v to="$EPOCHREALTIME" 'BEGIN { printf "  %s, after %.1f s\n", what, to - from }'
}

alert_fires() {
    expect "$1 fires" "ALERTS{alertname=\"$1\",alertstate=\"firing\"}"
}
alert_ends() {
    local start=$EPOCHREALTIME
    until_true "the end of $1" not holds "ALERTS{alertname=\"$1\"}"
    since "$1 is over" "$start"
}

lab_start() {
    local tool
    for tool in redis-server prometheus curl; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
    spillway=${SPILLWAY_BIN:-$drills/../../build/release/spillway}
    [ -x "$spillway" ] || spillway=$(type -P spillway) || fail "no spillway: build it, or set SPILLWAY_BIN"
    lab=$(mktemp -d)
    trap lab_end EXIT
    trap 'exit 130' INT TERM
    redis_start
    node_start 0
    node_start 1
    clients_start
    setsid bash -c "$(declare -p spillway bytes admin); $(declare -f publish); publish" >/dev/null 2>&1 &
    others+=($!)
    prometheus_start
    say "two nodes on one Redis, ${#clients[@]} clients, Prometheus"
    expect "everybody is served" \
        "sum(spillway_connections{transport=\"ws\",state=\"open\"}) == ${#clients[@]} and sum(rate(spillway_sent_total[15s])) > 0"
}
