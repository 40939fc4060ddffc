# shellcheck shell=bash
# shellcheck disable=SC2034  # all of it is for who sources this
# Where things are. To be sourced from any script of the project.

source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache_root=${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead
steps_logs=$source_root/build/log
