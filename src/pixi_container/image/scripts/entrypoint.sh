#!/bin/bash
# Batch jobs source this file without its last line, so `exec` must stay in the last line.
__pixi_container_repair=1
# shellcheck disable=SC1091  # finish.sh makes the file, in the folder that it fills in
. @workdir@/.pixi/activate.sh
exec "$@"
