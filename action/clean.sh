#!/usr/bin/env bash
# Removes what a killed run could not: its temporary folder with the credentials, its test container and images.
set -uo pipefail
shopt -s nullglob

for folder in "${RUNNER_TEMP:?}"/pixi-container-*/; do
  # A docker command outlives the program that was killed. A build ends with it.
  for group in "$folder"build-process-group; do
    kill -KILL -- "-$(< "$group")" 2>/dev/null
  done
  # The container of a test may still be on its way into being: it is removed until nobody waits for it any more.
  if [ -s "${folder}container" ]; then
    container=$(< "${folder}container")
    for _ in {1..60}; do
      docker rm --force "$container" >/dev/null 2>&1
      grep -qsz -- "^$container\$" /proc/[0-9]*/cmdline || break
      sleep 0.2
    done
  fi
  if [ -s "${folder}images" ]; then
    xargs docker image rm --force < "${folder}images" >/dev/null 2>&1
  fi
  rm -rf "$folder"
done
exit 0
