# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the checks that are shell scripts: the project's directory as the working one, and findings
# that decide the exit status.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

found=0
finding() {
    printf '%s\n' "$*"
    found=1
}

# Reads findings, one a line.
findings() {
    local text
    while IFS= read -r text; do finding "$text"; done
}
