#!/bin/sh
# One evening, for cron or systemd: bring the day's data in, trade on paper, and tell somebody where that is needed.
#
#   EVENING_INGEST   shell command that brings data in (default: none, they come in some other way)
#   EVENING_FACTORS  Python file with factors of yours
#   EVENING_ALERT    shell command that gets the report on standard input when somebody should look
#
# Exit status: that of `nexus paper run`, or that of EVENING_INGEST where it failed and nothing worse happened.
# It may be run at any time and any number of times: what is done is not done again.
set -u

report=$(mktemp) || exit 2
trap 'rm -f "$report"' EXIT

ingested=0
[ -z "${EVENING_INGEST:-}" ] || sh -c "$EVENING_INGEST" >>"$report" 2>&1 || ingested=$?

set -- paper run
[ -z "${EVENING_FACTORS:-}" ] || set -- "$@" --from "$EVENING_FACTORS"
status=0
nexus "$@" >>"$report" 2>&1 || status=$?

cat "$report"
case $status in
# 1 from an ingest is rows that were rejected and can be looked at any time
0 | 5) [ "$ingested" -le 1 ] || status=$ingested ;;
esac
case $status in
0 | 5 | 7) ;;
*) [ -z "${EVENING_ALERT:-}" ] || sh -c "$EVENING_ALERT" <"$report" || echo "evening.sh: EVENING_ALERT failed" >&2 ;;
esac
exit "$status"
