#!/bin/bash
# Batch jobs source this file without its last line, which has to stay the last one.
__pixi_container_repair=1
# shellcheck disable=SC1091  # finish.sh makes the file, in the folder that it fills in
. @workdir@/.pixi/activate.sh
exec "$@"
