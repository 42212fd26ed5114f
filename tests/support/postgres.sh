#!/bin/sh
# A PostgreSQL server for tests, which ends by itself once nobody holds FOLDER/users.lock.
#
#   tests/support/postgres.sh FOLDER LINGER [SETTING=VALUE ...]
#
# Writes FOLDER/ready when it answers on the socket in FOLDER, FOLDER/failed when it can't, and
# removes both and its data at the end. LINGER: seconds it stays after its last user, for the next;
# with 0 it removes FOLDER as well.
#
# Why a process beside the tests: each test has a process of its own, one server serves them all, and
# none of them is the last by arrangement. A lock of a killed process is given back by the kernel.
set -u

folder=$1 linger=$2
shift 2

give_up() {
    { echo "$1"; [ ! -e "$folder/server.log" ] || tail -n 20 "$folder/server.log"; } >"$folder/failed"
    exit 1
}

# On Debian the server's programs are on no path.
bin=
for candidate in /usr/lib/postgresql/*/bin; do
    [ -x "$candidate/initdb" ] && bin=$candidate
done
if [ -z "$bin" ]; then
    found=$(command -v initdb) || give_up "there is no PostgreSQL here: run \`scripts/setup test\`"
    bin=$(dirname "$(readlink -f "$found")")
fi

# initdb and the server refuse to run as root.
as_user=
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as_user="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
    chown "$user" "$folder" || give_up "the folder can't be given to $user"
fi

cd "$folder" || give_up "the folder can't be entered"
rm -rf data
# shellcheck disable=SC2086  # a list of words
$as_user "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C -N \
    >server.log 2>&1 || give_up "initdb failed"

settings="-c unix_socket_directories=$folder -c listen_addresses= -c max_connections=200"
for setting; do settings="$settings -c $setting"; done

# A test may kill the server: it comes again, as it would under a service manager.
serve() {
    while [ ! -e stopping ]; do
        # shellcheck disable=SC2086
        $as_user "$bin/postgres" -D "$folder/data" $settings >>server.log 2>&1
        [ -e ready ] || exit 1
        sleep 0.2
    done
}

stop() {
    touch stopping
    read -r server <data/postmaster.pid && kill -QUIT "$server"
    wait
} 2>/dev/null

finish() {
    stop
    rm -rf ready failed stopping data
    # A server that does not wait for others had one test, whose folder this is.
    [ "$linger" != 0 ] || { cd / && rm -rf "$folder"; }
    exit 0
}
trap finish HUP INT TERM

rm -f ready failed stopping
serve &
serving=$!
tries=0
until "$bin/pg_isready" -q -h "$folder" -U postgres; do
    kill -0 "$serving" 2>/dev/null || give_up "the server ended"
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { stop; give_up "the server does not answer"; }
    sleep 0.1
done
touch ready

while :; do
    # Waits for the last user.
    flock -x users.lock true
    sleep "$linger"
    # Nobody comes while this is held, so that nobody finds a server that is about to go.
    exec 9>>start.lock
    flock -x 9
    flock -n -x users.lock true && finish
    exec 9>&-
done
