#!/usr/bin/env bash
# Removes what a killed run could not: its temporary folder with the credentials, its test container and images.
set -uo pipefail
shopt -s nullglob
. "${BASH_SOURCE[0]%/*}/search_path.sh"

# Prints the beginning of a file of ours in $folder, nothing where a link was put in its place.
read_own() {
  [ -f "$folder/$1" ] && [ ! -L "$folder/$1" ] && head -c 1000000 "$folder/$1"
}

for folder in "${RUNNER_TEMP:?}"/pixi-container-*; do
  # What else lies there is somebody else's: a link would be followed to what it points to.
  if [ -L "$folder" ] || [ ! -d "$folder" ] || [ ! -O "$folder" ]; then
    continue
  fi
  # A docker command outlives the program that was killed. A build ends with it.
  group=$(read_own build-process-group)
  if [[ $group =~ ^[1-9][0-9]+$ ]]; then
    kill -KILL -- "-$group" 2>/dev/null
  fi
  # The container of a test may be on its way into being, or out of it: done when nobody waits for it and it is gone.
  container=$(read_own container)
  if [[ $container =~ ^pixi-container-test-[a-z0-9-]+$ ]]; then
    for _ in {1..60}; do
      waiting=$(grep -lsz -- "^$container\$" /proc/[0-9]*/cmdline)
      docker rm --force "$container" >/dev/null 2>&1
      [ -n "$waiting" ] || docker container inspect "$container" >/dev/null 2>&1 || break
      sleep 0.2
    done
  fi
  read_own images | grep -E '^[A-Za-z0-9][A-Za-z0-9.:/_-]*$' | xargs -r docker image rm --force >/dev/null 2>&1
  rm -rf -- "$folder"
done
exit 0
