# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2001
# What one turn costs at 1,000 subscribers, in figures that do not depend on the machine's speed.

turn_clients=1000

# turn_writes BURSTS ARGUMENT...: from the gateway's own counters.
turn_writes() {
    local bursts=$1 before_writes before_turns before_sent
    shift
    gateway_start
    load_start --clients "$turn_clients" "$@"
    before_writes=$(metric writes_total)
    before_turns=$(metric turns_total)
    before_sent=$(metric sent_total)
    load_run "$bursts"
    deliveries=$(json deliveries "$result")
    writes=$(($(metric writes_total) - before_writes))
    turns=$(($(metric turns_total) - before_turns))
    sent=$(($(metric sent_total) - before_sent))
    load_stop
    gateway_stop
    [ "$sent" = "$deliveries" ] || die "sent_total says $sent, the clients got $deliveries"
}

strace_attached() {
    local thread
    for thread in "/proc/$gateway_pid/task/"*; do
        grep -q '^TracerPid:[[:space:]]*0$' "$thread/status" && return 1
    done
    return 0
}

# turn_strace BURSTS ARGUMENT...: the same, seen from the kernel's side.
turn_strace() {
    local bursts=$1 tracer
    shift
    strace_writes=null
    [ "$turn_mode" != check ] && has strace strace || return 0
    gateway_start
    load_start --clients "$turn_clients" "$@"
    strace -f -c -e trace=send,sendto,sendmsg,sendmmsg,write,writev -p "$gateway_pid" \
        -o "$out/turn.strace" 2>"$out/strace.log" &
    tracer=$!
    for _ in $(seq 100); do
        strace_attached && break
        kill -0 "$tracer" 2>/dev/null || break
        sleep 0.1
    done
    if ! strace_attached; then
        echo "strace may not look at the gateway: $(tail -n 1 "$out/strace.log")"
        stop_process "$tracer" INT
    else
        load_run "$bursts"
        stop_process "$tracer" INT
        strace_writes=$(awk '$NF ~ /^(send|write)/ { n += $4 } END { print n + 0 }' "$out/turn.strace")
    fi
    load_stop
    gateway_stop
}

# turn_instructions NAME BURSTS ARGUMENT...: of the whole process while the bursts run, and of the turn's end
# alone (from the dirty tapes to the last write).
turn_instructions() {
    local name=$1 bursts=$2 file="$out/turn.$1.callgrind"
    shift 2
    instructions=null instructions_end=null
    has valgrind valgrind || return 0
    rm -f "$file"
    gateway_start env LD_PRELOAD="$root/$out/slow_clock.so" valgrind --tool=callgrind -q \
        --instr-atstart=no --callgrind-out-file="$file" --compress-strings=no
    load_start --clients "$turn_clients" "$@"
    callgrind_control -i on "$gateway_pid" >/dev/null 2>&1
    load_run "$bursts"
    callgrind_control -i off "$gateway_pid" >/dev/null 2>&1
    callgrind_deliveries=$(json deliveries "$result")
    load_stop
    gateway_stop
    callgrind_annotate --threshold=98 "$file" >"$out/turn.$name.profile"
    instructions=$(turn_count 'PROGRAM TOTALS' "$file")
    instructions_end=$(turn_count sw_sessions_turn "$file")
}

# turn_count WHAT FILE: the instructions of a function and all it called.
turn_count() {
    callgrind_annotate --inclusive=yes --threshold=100 "$2" |
        awk -v what="$1" '!n && index($0, what) { n = $1; gsub(/,/, "", n) } END { print n + 0 }'
}

# turn_case NAME TITLE BURSTS ARGUMENT...: one line of the table, one object of the file.
turn_case() {
    local name=$1 title=$2 bursts=$3 short=$(($3 / 4)) per_turn per_delivery
    local traced=null each=null end=null
    shift 3
    turn_writes "$bursts" "$@"
    turn_strace "$short" "$@"
    turn_instructions "$name" "$short" "$@"
    per_turn=$(ratio "$writes" $((turn_clients * turns)))
    per_delivery=$(ratio "$writes" "$deliveries" 4)
    if [ "$strace_writes" != null ]; then
        traced=$(ratio "$strace_writes" $((turn_clients * short)))
    fi
    if [ "$instructions" != null ]; then
        each=$(ratio "$instructions" "$callgrind_deliveries" 1)
        end=$(ratio "$instructions_end" "$callgrind_deliveries" 1)
    fi
    # shellcheck disable=SC2059
    printf "$turn_form" "$title" "$deliveries" "$(ratio "$turns" "$bursts")" "$per_delivery" "$per_turn" \
        "${traced/null/-}" "${end/null/-}" "${each/null/-}"
    turn_rows+=("$(
        printf '{"case":"%s","bursts":%d,"deliveries":%d' "$name" "$bursts" "$deliveries"
        printf ',"turns_per_burst":%s' "$(ratio "$turns" "$bursts")"
        printf ',"writes_per_delivery":%s,"writes_per_session_turn":%s' "$per_delivery" "$per_turn"
        printf ',"strace_writes_per_session_burst":%s' "$traced"
        printf ',"instructions_turn_end":%s,"instructions_process":%s}' "$end" "$each"
    )")
}

turn_form='%-23s %10s | %6s | %9s %9s %10s | %9s %9s\n'

turn_name() {
    sed 's/.*"case":"\([^"]*\)".*/\1/' <<<"$1"
}

# turn_verdict NAME WHAT VALUE: is it at most 5 % above the baseline?
turn_verdict() {
    local bar
    bar=$(grep "\"case\":\"$1\"" bench/baseline.json | sed 's/.*"'"$2"'":\([0-9.]*\).*/\1/')
    if awk -v is="$3" -v bar="$bar" 'BEGIN { exit !(is > bar * 1.05) }'; then
        echo "$1: $3 $2 per delivery, and bench/baseline.json has $bar"
        return 1
    fi
}

turn_check() {
    local row name status=0
    for row in "${turn_rows[@]}"; do
        name=$(turn_name "$row")
        turn_verdict "$name" instructions_turn_end "$(json instructions_turn_end "$row")" || status=1
        turn_verdict "$name" instructions_process "$(json instructions_process "$row")" || status=1
        if awk -v is="$(json writes_per_session_turn "$row")" 'BEGIN { exit !(is > 1.02) }'; then
            echo "$name: more than 1.02 writes for each session and turn"
            status=1
        fi
    done
    if [ "$status" = 0 ]; then
        echo "Within 5 % of bench/baseline.json, and at most 1.02 writes for each session and turn"
    fi
    return "$status"
}

# The baseline has one case a line.
turn_save() {
    local separator='['
    for row in "${turn_rows[@]}"; do
        printf '%s\n{"case":"%s","instructions_turn_end":%s,"instructions_process":%s}' "$separator" \
            "$(turn_name "$row")" "$(json instructions_turn_end "$row")" \
            "$(json instructions_process "$row")"
        separator=,
    done >bench/baseline.json
    printf '\n]\n' >>bench/baseline.json
    echo "Written to bench/baseline.json"
}

scenario_turn() {
    turn_rows=()
    if [ -n "$turn_mode" ]; then
        packages_need valgrind
    fi
    has strace strace || true
    has valgrind valgrind || true
    # shellcheck disable=SC2059
    {
        printf "$turn_form" "" "" turns writes/ "writes/" "strace/" instr./ instr./
        printf "$turn_form" "$turn_clients subscribers" deliveries /burst delivery sess.turn sess.burst \
            "del. turn" "del. all"
    }
    turn_case k1 "K=1, one topic" 200
    turn_case k16 "K=16, one topic" 200 --messages 16
    turn_case 16of50 "K=16, 16 of 50 topics" 200 --messages 16 --topics 50 --spread 16
    (
        IFS=,
        printf '{"scenario":"turn","subscribers":%d,"payload_bytes":128,"cores":%d,"rows":[%s]}\n' \
            "$turn_clients" "$(nproc)" "${turn_rows[*]}"
    ) >"$out/turn.json"
    echo "Written to $out/turn.json"
    if [ "$instructions" != null ]; then
        echo "Where the instructions go: $out/turn.*.profile"
    fi
    if [ -n "$turn_mode" ]; then
        "turn_$turn_mode"
    fi
}
