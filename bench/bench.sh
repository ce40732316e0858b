# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2001
# Sourced by bench/run, behind deploy/prepare.sh: builds, and a gateway and its load for a scenario.

out=build/bench
binary=${SPILLWAY_BINARY:-build/release/spillway}
gateway_pid=
load_pid=

c_flags=(-std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wstrict-prototypes -Wvla -Wswitch-enum -Werror)

bench_build() {
    mkdir -p "$out"
    if [ -z "${SPILLWAY_BINARY:-}" ]; then
        packages_need "${build_packages[@]}" nodejs npm
        build_preset release || {
            build_failure release >&2
            die "the gateway did not build"
        }
    fi
    [ -x "$binary" ] || die "no binary at $binary"
    cc "${c_flags[@]}" -o "$out/load" bench/load/{load,client,publish,framing,inflate,dialect,tokens}.c -lssl -lcrypto -lz
    cc "${c_flags[@]}" -o "$out/crowd" bench/load/{crowd,tokens}.c
    cc "${c_flags[@]}" -o "$out/intruders" bench/load/intruders.c
    cc "${c_flags[@]}" -o "$out/stuck" tests/harness/stuck.c
    cc "${c_flags[@]}" -o "$out/floor" bench/floor/floor.c -lssl -lcrypto
    cc "${c_flags[@]}" -shared -fPIC -o "$out/slow_clock.so" bench/load/slow_clock.c
    bench_build_ingest
    ulimit -n "$(ulimit -Hn)"
}

# Of the gateway's own libraries, so there is none for another binary.
bench_build_ingest() {
    local libraries=build/release
    rm -f "$out/ingest"
    [ -z "${SPILLWAY_BINARY:-}" ] || return 0
    cc "${c_flags[@]}" -I. -Igateway -isystem /usr/include/hiredis -o "$out/ingest" bench/micro/ingest.c \
        "$libraries"/libsw_{bus,net,core,common}.a -lhiredis -luv -lssl -lcrypto -lpthread -lm
}

stop_process() {
    [ -n "$1" ] || return 0
    kill "-$2" "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

bench_clean() {
    stop_process "$load_pid" KILL
    stop_process "$gateway_pid" KILL
}
trap bench_clean EXIT
trap 'exit 130' INT TERM HUP

# gateway_start [WRAPPER...]: one worker on the embedded bus; sets gateway_pid, port and admin.
gateway_start() {
    local line=
    : >"$out/gateway.out"
    "$@" "$binary" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --workers 1 \
        --drain-ms 0 >"$out/gateway.out" 2>"$out/gateway.log" </dev/null &
    gateway_pid=$!
    for _ in $(seq 300); do
        line=$(grep -m 1 '^ready ' "$out/gateway.out" || true)
        [ -z "$line" ] || break
        kill -0 "$gateway_pid" 2>/dev/null || break
        sleep 0.1
    done
    if [ -z "$line" ]; then
        tail -n 5 "$out/gateway.log" >&2
        die "the gateway did not start"
    fi
    port=$(sed 's/.* listen=[^ ]*:\([0-9]*\) .*/\1/' <<<"$line")
    admin=$(sed 's/.* admin=\([^ ]*\).*/\1/' <<<"$line")
}

gateway_stop() {
    stop_process "$gateway_pid" TERM
    gateway_pid=
}

# metric NAME: the sum of a metric over its labels.
metric() {
    local host=${admin%:*} number=${admin##*:} fd
    exec {fd}<>"/dev/tcp/$host/$number"
    printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&"$fd"
    awk -v name="spillway_$1" '{ sub(/\r$/, "") } { key = $1; sub(/\{.*/, "", key) }
        key == name { sum += $2 } END { printf "%.0f\n", sum }' <&"$fd"
    exec {fd}>&-
}

# load_start ARGUMENT...: returns when everybody is subscribed and warm.
load_start() {
    local line
    rm -f "$out/load.in" "$out/load.out"
    mkfifo "$out/load.in" "$out/load.out"
    "$out/load" --port "$port" --patience 120 "$@" <"$out/load.in" >"$out/load.out" &
    load_pid=$!
    exec {load_in}>"$out/load.in" {load_out}<"$out/load.out"
    read -r -u "$load_out" line || die "the load generator failed"
    [[ $line == *'"ready"'* ]] || die "the load generator said: $line"
}

# load_run BURSTS: sets `result`, a line of JSON; ends the script where anything arrived wrong.
load_run() {
    echo "$1" >&"$load_in"
    read -r -u "$load_out" result || die "the load generator failed"
    [ "$(json errors "$result")" = 0 ] || die "deliveries were wrong: $result"
}

load_stop() {
    exec {load_in}>&- {load_out}<&-
    wait "$load_pid" || die "the load generator failed"
    load_pid=
}

# json NAME TEXT: a number of a flat object.
json() {
    sed 's/.*"'"$1"'":\([-0-9.]*\).*/\1/' <<<"$2"
}

# ratio A B [DIGITS]
ratio() {
    awk -v a="$1" -v b="$2" -v d="${3:-3}" 'BEGIN { printf "%.*f", d, b ? a / b : 0 }'
}

# has COMMAND PACKAGE: says where it is missing, once.
declare -A told=()
has() {
    command -v "$1" >/dev/null && return 0
    if [ -z "${told[$1]:-}" ]; then
        told[$1]=yes
        echo "not measured without $1 (apt-get install $2)"
    fi
    return 1
}
