#!/usr/bin/env bash
# Cleans up after a killed run: removes its temporary folder with the credentials, its builder, test container and images.
set -uo pipefail
shopt -s nullglob
. "${BASH_SOURCE[0]%/*}/search_path.sh"

# Prints the beginning of a file in $folder; nothing if a link has replaced it.
read_own() {
  [ -f "$folder/$1" ] && [ ! -L "$folder/$1" ] && head -c 1000000 "$folder/$1"
}

for folder in "${RUNNER_TEMP:?}"/pixi-container-*; do
  # Skip anything that this user's run did not create: a link would be followed to its target.
  if [ -L "$folder" ] || [ ! -d "$folder" ] || [ ! -O "$folder" ]; then
    continue
  fi
  # The docker command outlives the killed program, and its build ends only with it.
  group=$(read_own build-process-group)
  if [[ $group =~ ^[1-9][0-9]+$ ]]; then
    kill -KILL -- "-$group" 2>/dev/null
  fi
  # The test container may still be starting or stopping: done when no client waits for it and it is gone.
  container=$(read_own container)
  if [[ $container =~ ^pixi-container-test-[a-z0-9-]+$ ]]; then
    for _ in {1..60}; do
      waiting=$(grep -lsz -- "^$container\$" /proc/[0-9]*/cmdline)
      docker rm --force "$container" >/dev/null 2>&1
      [ -n "$waiting" ] || docker container inspect "$container" >/dev/null 2>&1 || break
      sleep 0.2
    done
  fi
  builder=$(read_own builder)
  if [[ $builder =~ ^pixi-container-[a-z0-9_]+$ ]]; then
    docker buildx rm --force "$builder" >/dev/null 2>&1
  fi
  read_own images | grep -E '^[A-Za-z0-9][A-Za-z0-9.:/_-]*$' | xargs -r docker image rm --force >/dev/null 2>&1
  rm -rf -- "$folder"
done
exit 0
