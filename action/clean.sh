#!/usr/bin/env bash
# Removes what a killed run could not: its temporary folder with the credentials, its test container and images.
set -uo pipefail
shopt -s nullglob

for folder in "${RUNNER_TEMP:?}"/pixi-container-*/; do
  # A docker command outlives the program that was killed. A build ends with it.
  if [ -s "${folder}build-process-group" ]; then
    kill -KILL -- "-$(< "${folder}build-process-group")" 2>/dev/null
  fi
  # The container of a test may be on its way into being, or out of it: done when nobody waits for it and it is gone.
  if [ -s "${folder}container" ]; then
    container=$(< "${folder}container")
    for _ in {1..60}; do
      waiting=$(grep -lsz -- "^$container\$" /proc/[0-9]*/cmdline)
      docker rm --force "$container" >/dev/null 2>&1
      [ -n "$waiting" ] || docker container inspect "$container" >/dev/null 2>&1 || break
      sleep 0.2
    done
  fi
  if [ -s "${folder}images" ]; then
    xargs docker image rm --force < "${folder}images" >/dev/null 2>&1
  fi
  rm -rf "$folder"
done
exit 0
