# shellcheck shell=bash
# Progress of long work: `step LOG TITLE CMD…` runs CMD with its output in a log, is never silent for
# long, and says how long it took; a failure shows the end of the log and where the log is.
# To be sourced after root.sh, which says where logs go.

steps_started=$SECONDS

# say TEXT…: one line of narration.
say() { printf '%s\n' "$*"; }

# die TEXT…: the reason and an exit of 1.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

duration() { # SECONDS → "42 s" or "3 min 05 s"
    if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# A terminal gets one line that ticks; a log file gets a line now and then. The sleep may outlive the loop
# and must not hold our output open.
steps_heartbeat() { # TITLE LOG
    local start=$SECONDS
    if [[ -t 1 ]]; then
        while sleep 1 >/dev/null 2>&1; do
            printf '\r\033[K  %s … %s' "$1" "$(duration $((SECONDS - start)))"
        done
    else
        while sleep 20 >/dev/null 2>&1; do
            printf '    … %s: %s, last: %s\n' "$1" "$(duration $((SECONDS - start)))" \
                "$(tail -n 1 "$2" 2>/dev/null | cut -c 1-100)"
        done
    fi
}

# step LOG TITLE CMD…: CMD's exit status; its output goes to $steps_logs/LOG.log.
step() {
    # shellcheck disable=SC2154 # root.sh's
    local log=$steps_logs/$1.log title=$2 status=0 start=$SECONDS beat
    shift 2
    mkdir -p "$steps_logs"
    : >"$log"
    [[ -t 1 ]] || printf '  %s …\n' "$title"
    steps_heartbeat "$title" "$log" &
    beat=$!
    "$@" >>"$log" 2>&1 </dev/null || status=$?
    { kill "$beat" && wait "$beat"; } 2>/dev/null || true
    [[ -t 1 ]] && printf '\r\033[K'
    if ((status == 0)); then
        printf '  %s: done in %s\n' "$title" "$(duration $((SECONDS - start)))"
        return 0
    fi
    printf '  %s: FAILED after %s (exit status %d)\n' "$title" "$(duration $((SECONDS - start)))" "$status"
    tail -n 30 "$log" | sed 's/^/    | /'
    printf '    The whole log: %s\n' "$log"
    return "$status"
}

# steps_total TEXT: closes a run with the time since this file was sourced.
steps_total() { say "$1 in $(duration $((SECONDS - steps_started)))."; }
