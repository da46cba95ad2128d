#!/usr/bin/env bash
# Removes what a killed run could not: its temporary folder with the credentials, its test container and image.
set -uo pipefail
shopt -s nullglob

for folder in "${RUNNER_TEMP:?}"/pixi-container-*/; do
  # The docker command outlives the program that was killed, and would start what is removed here.
  if [ -r "$folder/process-group" ]; then
    kill -KILL -- "-$(cat "$folder/process-group")" 2>/dev/null
  fi
  if [ -r "$folder/container" ]; then
    docker rm --force "$(cat "$folder/container")" >/dev/null 2>&1
  fi
  if [ -r "$folder/image" ]; then
    docker image rm "$(cat "$folder/image")" >/dev/null 2>&1
  fi
  rm -rf "$folder"
done
exit 0
