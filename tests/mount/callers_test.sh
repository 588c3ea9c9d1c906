#!/usr/bin/env bash
# Callers that are not like others: in another PID namespace, root of a user namespace of their own, users and groups
# that nobody knows by name any more, processes that are gone before they are asked about.
# shellcheck disable=SC2016 # what stands in single quotes, other users' shells expand
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

audio=$(getent group audio | cut -d : -f 3)
by_first_group() { setpriv --reuid 60001 --regid "$audio" --clear-groups "$@"; }
by_further_group() { setpriv --reuid 60002 --regid 60002 --groups "$audio" "$@"; }
stranger() { setpriv --reuid 60004 --regid 60004 --clear-groups "$@"; }

printf 'default_group = "audio"\n' >"$WORK/rules.toml"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
gen_study "$WORK/ct" --instances 2 --size 64 --modality CT --seed 2
cp -r "$WORK/ct" "$MNT/archive"
study=$(echo "$MNT"/patients/*/*)
read_all=(sh -c 'ls "$1" >/dev/null && cat "$1"/*/* >/dev/null' - "$study")
by_first_group "${read_all[@]}" || fail "a member by the first group"
by_further_group "${read_all[@]}" || fail "a member by a further group"
refused stranger "${read_all[@]}"

# Another PID namespace below ours: the daemon sees its processes.
unshare --pid --fork setpriv --reuid 60002 --regid 60002 --groups "$audio" "${read_all[@]}" || fail "a member in a PID namespace"
refused unshare --pid --fork setpriv --reuid 60004 --regid 60004 --clear-groups "${read_all[@]}"
# A daemon in a PID namespace of its own does not see others': they have their first group alone, and never more.
unmount_vault
unshare --pid --fork sh -c \
  '"$1" mount "$2" "$3" --foreground --passphrase-file "$4" --state-dir "$5" >>"$6" 2>&1' - \
  "$LEADGLASS" "$VAULT" "$MNT" "$WORK/passphrase" "$WORK/state" "$WORK/daemon.log" &
outside=$!
wait_for 20 "the mount from another PID namespace" mountpoint -q "$MNT"
by_first_group "${read_all[@]}" || fail "a member by the first group, not seen by the daemon"
refused by_further_group "${read_all[@]}"
refused stranger "${read_all[@]}"
"$LEADGLASS" umount "$MNT"
wait "$outside"
mount_vault

# Who is root of a user namespace is whom he was outside.
in_user_namespace() { "$1" unshare --user --map-root-user "${@:2}"; }
in_user_namespace by_first_group "${read_all[@]}" || fail "a member in a user namespace"
refused in_user_namespace stranger "${read_all[@]}"
refused in_user_namespace stranger sh -c 'chmod 777 "$1"' - "$study"
refused in_user_namespace stranger sh -c 'rm -r "$1"' - "$MNT/archive/ct"

# Numbers without a name count as numbers do.
setfacl -m u:61234:rx "$study"
setpriv --reuid 61234 --regid 61234 --clear-groups "${read_all[@]}" || fail "a user whom only the list knows"
getfacl -np "$study" | holds -x "user:61234:r-x" || fail "the list does not show him"
setfacl -x u:61234 "$study"
refused setpriv --reuid 61234 --regid 61234 --clear-groups "${read_all[@]}"
chgrp 61235 "$study"
setpriv --reuid 61236 --regid 61235 --clear-groups "${read_all[@]}" || fail "a group without a name"
"$LEADGLASS" audit "$MNT" --json | holds -F '"uid":61234,"user":""' || fail "a user without a name is not on record"
chgrp "$audio" "$study"

# Processes that end while they are asked about get nothing that they may not have, and the daemon goes on.
for _ in $(seq 40); do
  stranger sh -c '(ls "$1" & cat "$1"/*/* & kill -9 $$) >/dev/null 2>&1' - "$study" >/dev/null 2>&1 || true
done
"$LEADGLASS" audit "$MNT" --user 60004 --json | grep -F '"action":"read"' | holds -F '"result":"ok"' && fail "a stranger read something"
by_further_group "${read_all[@]}" || fail "a member after all that"
