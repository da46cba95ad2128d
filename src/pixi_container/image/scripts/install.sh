#!/bin/bash
# Run `pixi install` with these arguments. Where pixi refuses the lock, run it again with -v, which makes it say why.
set -o pipefail
log=$(mktemp)
trap 'rm "$log"' EXIT
pixi install "$@" 2>&1 | tee "$log" && exit
code=$?
if grep -q 'lock[- ]file not up-to-date' "$log"; then pixi install -v "$@"; fi
exit "$code"
