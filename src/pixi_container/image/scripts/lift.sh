#!/bin/bash
# Move the entrypoint, which finish.sh has written into the workspace's folder, up to where containers start: every
# image has it there. Arguments: WORKSPACE WORKDIR IMAGE, the last as for finish.sh
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tidy.sh
. "$here/tidy.sh"

mv "$3/entrypoint$1/entrypoint.sh" "$3/entrypoint$2/entrypoint.sh"
set_times "$3/entrypoint"
