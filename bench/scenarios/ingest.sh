# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# From RESP bytes into the exchange, on one core and without a socket, beside a bare loop over the same bytes.

ingest_build() {
    local libraries=build/release
    cc "${c_flags[@]}" -I. -Igateway -isystem /usr/include/hiredis -o "$out/ingest" bench/micro/ingest.c \
        "$libraries"/libsw_bus.a "$libraries"/libsw_net.a "$libraries"/libsw_core.a "$libraries"/libsw_common.a \
        -lhiredis -luv -lssl -lcrypto -lpthread -lm
}

scenario_ingest() {
    local seconds=12
    [ -z "${BENCH_QUICK:-}" ] || seconds=3
    if [ -n "${SPILLWAY_BINARY:-}" ]; then
        echo "ingest: skipped, it is built with the libraries of build/release"
        return 0
    fi
    ingest_build
    "$out/ingest" "$seconds" | tee "$out/ingest.jsonl" | while read -r row; do
        printf '%-8s %6.2f M messages/s of CPU, a bare reader %6.2f M/s, ratio %.2f\n' "$(json kind "$row")" \
            "$(json millions_per_core "$row")" "$(json bare_millions "$row")" "$(json ratio "$row")"
    done
    echo "Written to $out/ingest.jsonl"
}
