#!/usr/bin/env bash
# A TimescaleDB to test against, where no container engine is: Debian's own packages in a chroot.
#
#   timescaledb.sh up DIR PORT    make it if need be, start it on 127.0.0.1:PORT, print its URL
#   timescaledb.sh down DIR       stop it; DIR stays, and the next start takes a second
#   timescaledb.sh url DIR        print the URL of the running server
#
# FOR TESTS ONLY: it trusts every local login, and it may lose everything when the machine dies (fsync is off).
# For anything worth keeping use compose.yml. Needs root, Debian or Ubuntu, and debootstrap.
set -euo pipefail

readonly SUITE=trixie VERSION=17
readonly MIRROR=${NEXUS_DEBIAN_MIRROR:-} # empty: debootstrap's own default
readonly PACKAGES=postgresql-$VERSION,postgresql-$VERSION-timescaledb,postgresql-$VERSION-pgvector
readonly BIN=/usr/lib/postgresql/$VERSION/bin
readonly CLUSTER=/var/lib/postgresql/nexus-tests # inside the chroot, as is the log beside it

die() {
    echo "timescaledb.sh: $*" >&2
    exit 1
}

inside() { # runs a command in the chroot as the owner of the cluster
    chroot --userspec=postgres:postgres "$dir" /usr/bin/env -i PATH="$BIN:/usr/bin:/bin" LC_ALL=C.UTF-8 "$@"
}

running() {
    [[ -s $dir$CLUSTER/postmaster.pid ]] && inside pg_ctl status --pgdata "$CLUSTER" >/dev/null
}

url() {
    echo "postgresql://postgres@127.0.0.1:$(sed -n 4p "$dir$CLUSTER/postmaster.pid")/postgres"
}

install_chroot() {
    [[ -x $dir$BIN/postgres && -e $dir/usr/share/postgresql/$VERSION/extension/timescaledb.control ]] && return
    command -v debootstrap >/dev/null || die "debootstrap is missing; apt-get install debootstrap"
    [[ ! -e $dir ]] || rmdir "$dir" 2>/dev/null || die "$dir is something else; name an empty or a new folder"
    # under another name until it is whole, so that an interrupted one is never taken for a server
    local partial=$dir.partial
    remove_partial "$partial"
    mkdir -p "$partial"
    echo "timescaledb.sh: installing PostgreSQL $VERSION with TimescaleDB into $dir" >&2
    debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$partial" ${MIRROR:+"$MIRROR"} >"$partial.log" 2>&1 || {
        tail -n 20 "$partial.log" "$partial/debootstrap/debootstrap.log" >&2 || true
        die "debootstrap failed; see $partial.log (a mirror of your own: NEXUS_DEBIAN_MIRROR)"
    }
    rm -rf "$partial"/var/cache/apt/archives/*.deb
    ! mountpoint -q "$partial/proc" || umount "$partial/proc"
    mv "$partial" "$dir"
    rm -f "$partial.log"
}

remove_partial() {
    [[ -d $1 ]] || return 0
    ! mountpoint -q "$1/proc" || umount "$1/proc"
    rm -rf --one-file-system "$1"
}

make_cluster() {
    [[ -s $dir$CLUSTER/PG_VERSION ]] && return
    inside initdb --pgdata "$CLUSTER" --username postgres --auth trust --encoding UTF8 --locale C.UTF-8 --no-sync \
        >/dev/null
    cat >>"$dir$CLUSTER/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap # the chroot has no /dev/shm
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
max_worker_processes = 32
max_locks_per_transaction = 256
shared_buffers = 256MB
jit = off
# a test's data need not outlive the machine
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
CONF
}

up() {
    install_chroot
    if running; then
        [[ $(url) == *":$port/"* ]] || die "already running at $(url); take it down first: timescaledb.sh down $dir"
    else
        make_cluster
        inside pg_ctl start --wait --silent --pgdata "$CLUSTER" --log "$CLUSTER.log" --options "-p $port" || {
            tail -n 6 "$dir$CLUSTER.log" >&2
            die "not started; is port $port taken?"
        }
    fi
    url
}

down() {
    ! running || inside pg_ctl stop --wait --mode fast --silent --pgdata "$CLUSTER"
}

usage() {
    die "usage: timescaledb.sh up DIR PORT | down DIR | url DIR"
}

[[ $# -ge 2 ]] || usage
[[ $EUID -eq 0 ]] || die "needs root for its chroot; or set NEXUS_TEST_DATABASE_URL to a TimescaleDB of yours"
dir=$(realpath -m "$2")
case $1 in
up)
    [[ $# -eq 3 && $3 =~ ^[0-9]+$ ]] || usage
    port=$3
    up
    ;;
down) down ;;
url)
    running || die "nothing runs in $dir; start it: timescaledb.sh up $dir PORT"
    url
    ;;
*) usage ;;
esac
