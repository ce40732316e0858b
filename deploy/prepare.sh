# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by deploy/up and tests/run, with `root` set to the project's directory: Debian packages and
# builds. Everything here is quiet where nothing is to be done.

# A tool counts as present wherever it comes from (a newer Node, one's own CMake), a library as a package.
build_packages=(build-essential cmake ninja-build pkg-config libuv1-dev libwslay-dev libhiredis-dev
    libcjson-dev node-llhttp libssl-dev zlib1g-dev)
test_packages=(libcmocka-dev redis-server nginx-light libnginx-mod-stream haproxy openssl nodejs npm curl iproute2
    clang-format-14 clang-tidy-14 clang-14 libclang-rt-14-dev llvm-14 python3-websockets python3-aiohttp
    libwebsockets-dev)
# For tests/ship; where they cannot be had, the parts that need them are skipped.
ship_packages=(buildah podman runc mmdebstrap systemd prometheus)

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The command that a package is wanted for; nothing for a library.
package_command() {
    case $1 in
    cmake | npm | curl | haproxy | openssl | redis-server | chromium | pkg-config) echo "$1" ;;
    clang-14 | clang-format-14 | clang-tidy-14 | buildah | podman | runc | mmdebstrap) echo "$1" ;;
    ninja-build) echo ninja ;;
    nginx-light) echo nginx ;;
    nodejs) echo node ;;
    iproute2) echo ss ;;
    llvm-14) echo llvm-cov-14 ;;
    systemd) echo systemd-analyze ;;
    esac
}

packages_missing() {
    local name command installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for name in "$@"; do
        command=$(package_command "$name")
        if [ -n "$command" ] && PATH="$PATH:/usr/sbin:/sbin" type -P "$command" >/dev/null; then
            continue
        fi
        grep -qx "installed $name" <<<"$installed" || echo "$name"
    done
}

# packages_need NAME...: installs those that are missing; ends the script where it cannot.
packages_need() {
    local missing=() line elevate=()
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "this is written for Debian 12 and 13 (no apt-get here)"
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    line="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            die "these packages are missing; as root: $line"
        elif sudo -n true 2>/dev/null; then
            elevate=(sudo -n)
        elif [ -t 0 ] && [ -t 2 ]; then
            elevate=(sudo)
        else
            die "these packages are missing and sudo asks for a password; as root: $line"
        fi
    fi
    echo "Installing ${missing[*]}" >&2
    "${elevate[@]}" bash "$root/deploy/install-packages" "${missing[@]}" ||
        die "these packages are missing; as root: $line"
}

# build_preset NAME [CONFIGURE]: configures where needed and compiles what changed, with all output in
# build/NAME/build.log. Returns 1 where that fails. `built` says whether anything was compiled. With a
# second argument it only configures.
build_preset() {
    local preset=$1 only_configure=${2:-} dir="$root/build/$1" state lock
    built=no
    mkdir -p "$root/build" 2>/dev/null || true
    if ! [ -w "$root/build" ] || { [ -e "$dir" ] && ! [ -w "$dir" ]; }; then
        echo "build/ belongs to another user ($(stat -c %U "$root/build" 2>/dev/null)); remove it or give it to $(id -un)" >&2
        return 1
    fi
    # Ninja has no lock of its own, and two terminals are common.
    exec {lock}>"$root/build/.$preset.lock"
    flock "$lock"
    # Ninja notices changed lists, but neither changed presets nor a tree that was moved or copied.
    state="$root $(cksum <"$root/CMakePresets.json")"
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/.configured" 2>/dev/null)" != "$state" ]; then
        case $(cat "$dir/.configured" 2>/dev/null) in
        "" | "$root "*) ;;
        *) rm -rf "$dir" ;;
        esac
        mkdir -p "$dir"
        if ! (cd "$root" && cmake --preset "$preset") >"$dir/build.log" 2>&1; then
            exec {lock}>&-
            return 1
        fi
        echo "$state" >"$dir/.configured"
    fi
    if [ -z "$only_configure" ]; then
        if ! cmake --build "$dir" >"$dir/build.log" 2>&1 {lock}>&-; then
            exec {lock}>&-
            return 1
        fi
        grep -q 'ninja: no work to do' "$dir/build.log" || built=yes
    fi
    exec {lock}>&-
}

# The part of a build's output that tells why it failed.
build_failure() {
    local log="$root/build/$1/build.log"
    [ -f "$log" ] || return 0
    grep -E -A 12 'FAILED:|CMake Error|error:|undefined reference' "$log" | head -n 80 || tail -n 40 "$log"
    echo "(all of it: build/$1/build.log)"
}
