#!/usr/bin/env bash
# Nothing of names, headers or contents is in the vault's folder or in the log; the daemon leaves no core.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

gen_study "$WORK/source" --patients 2 --series 2 --instances 3 --size 96
printf 'a note that no image is: the quick brown fox jumps over the lazy dog\n' >"$WORK/source/note.txt"
cp -r "$WORK/source" "$MNT/archive/plaintext-folder-name"
cp -r "$WORK/source" "$MNT/incoming/"
setfattr -n user.comment -v 'an attribute nobody may read' "$MNT/archive/plaintext-folder-name/note.txt"
ln -s target-of-a-symbolic-link "$MNT/archive/name-of-a-symbolic-link"
printf 'a name that is overwritten, a name that is removed' >"$MNT/archive/name-that-goes-away"
sqlite3 "$MNT/archive/index.sqlite" "CREATE TABLE t (x); INSERT INTO t VALUES ('a row of a database in the mount')"
find "$MNT" -type f -exec cat {} + >/dev/null
rm "$MNT/archive/name-that-goes-away"
# What is there while it runs, after it crashed, and after it was closed.
sync -f "$MNT/archive"
cat >"$WORK/texts" <<'END'
plaintext-folder-name
note.txt
the quick brown fox
an attribute nobody may read
user.comment
target-of-a-symbolic-link
name-of-a-symbolic-link
name-that-goes-away
a name that is overwritten
a row of a database
SQLite format 3
END
seek() { python3 "$SOURCE_DIR/tests/mount/find_plaintext.py" "$WORK/source" "$WORK/texts" "$@" || fail "plaintext $*"; }
seek "$VAULT" "$WORK/daemon.log"

# A daemon that dies with keys and pixels in memory leaves no core file, even where cores are wanted.
same "core limit" 0 "$(awk '/Max core file size/ { print $5 $6 }' "/proc/$(daemon_pid)/limits" | sed 's/\(.\).*/\1/')"
kill -SEGV "$(daemon_pid)"
wait_for 20 "the daemon to die" daemon_gone
same "core files" "" "$(find "$WORK" -maxdepth 1 -name 'core*')"
seek "$VAULT" "$WORK/daemon.log" "$WORK/state"
mount_vault
unmount_vault
seek "$VAULT" "$WORK/daemon.log" "$WORK/state"
