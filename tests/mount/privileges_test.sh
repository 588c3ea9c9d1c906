#!/usr/bin/env bash
# A vault that belongs to a system user is served as that user: without root, without capabilities, under a seccomp
# filter, not to be traced; and everything that a mount can do still works.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

owner=60050
audio=$(getent group audio | cut -d : -f 3)
as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }
# field NAME [PID]: of /proc/PID/status
field() { awk -v name="$1:" '$1 == name { sub(/^[^\t]*\t/, ""); print }' "/proc/${2:-$(daemon_pid)}/status"; }

unmount_vault
# What another account's mount left in it would stay closed to its owner: that is said.
chown "$owner" "$VAULT"
chmod 755 "$VAULT"
code=0
"$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/passphrase" --state-dir "$WORK/state" 2>"$WORK/said" || code=$?
[[ $code -ne 0 ]] || fail "a vault with root's files is served as somebody else"
grep -q "chown -R" "$WORK/said" || fail "the message does not say what to do: $(cat "$WORK/said")"
chmod 700 "$VAULT"
# The vault lies where its owner gets at it, the passphrase and the remembered head where only root does.
mkdir -m 755 "$WORK/srv"
mv "$VAULT" "$WORK/srv/vault"
VAULT=$WORK/srv/vault
chown -R "$owner:$owner" "$VAULT"
mkdir -m 700 "$WORK/roots"
mv "$WORK/passphrase" "$WORK/state" "$WORK/roots"
ln -s roots/passphrase roots/state "$WORK"
mount_vault
daemon=$(daemon_pid)

same "the daemon's user" "$owner	$owner	$owner	$owner" "$(field Uid)"
same "the daemon's group" "$owner	$owner	$owner	$owner" "$(field Gid)"
same "further groups" "" "$(field Groups | tr -d ' ')"
for set in CapInh CapPrm CapEff CapAmb; do same "$set" 0000000000000000 "$(field $set)"; done
same "NoNewPrivs" 1 "$(field NoNewPrivs)"
same "Seccomp" 2 "$(field Seccomp)"
for thread in /proc/"$daemon"/task/*; do
  same "user of thread ${thread##*/}" "$owner" "$(awk '$1 == "Uid:" { print $3 }' "$thread/status")"
  same "filter of thread ${thread##*/}" 2 "$(awk '$1 == "Seccomp:" { print $2 }' "$thread/status")"
done
# Whoever runs as that user sees into neither its memory nor its descriptors.
refused as "$owner" "$owner" cat "/proc/$daemon/mem"
refused as "$owner" "$owner" ls "/proc/$daemon/fd"
# Nobody but the keeper is left of root, and that one has few capabilities.
keeper=$(pgrep -P "$daemon" -x leadglass-keep) || fail "no keeper"
[[ $(field CapEff "$keeper") == 0000000000200002 ]] || fail "the keeper has $(field CapEff "$keeper")"
for child in $(pgrep -P "$daemon"); do
  [[ $child == "$keeper" ]] || same "user of process $child" "$owner" "$(field Uid "$child" | cut -f 2)"
done

# What is used every day.
printf 'default_group = "audio"\n[emergency]\ngroups = ["video"]\n' >"$WORK/rules.toml"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
chmod 755 "$MNT/patients"
gen_study "$WORK/ct" --instances 3 --size 64 --modality CT --seed 2
install -d -o 60010 -g 60010 "$MNT/archive/pacs"
as 60010 60010 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
same "images in the view" 3 "$(find "$MNT/patients" -type f | wc -l)"
study=$(echo "$MNT"/patients/*/*)
as 60001 "$audio" diff -r "$study" "$study" || fail "a member reads nothing"
refused as 60004 60004 ls "$study"
same "who mounted, by the audit trail" 0 "$("$LEADGLASS" audit "$MNT" --json | grep '"action":"mount"' | tail -n 1 | grep -o '"uid":[0-9]*' | cut -d : -f 2)"
"$LEADGLASS" status "$MNT" >/dev/null || fail "status of a mount"
video=$(getent group video | cut -d : -f 3)
as 60002 "$video" "$LEADGLASS" emergency list "$MNT" >/dev/null || fail "the door for emergencies"
same "files in the vault of somebody else" "" "$(find "$VAULT" ! -user "$owner")"
head_before=$(cat "$WORK"/state/*.head)
dd if=/dev/urandom of="$MNT/archive/more" bs=64K count=4 conv=fsync status=none
head_moved() { [[ $(cat "$WORK"/state/*.head) != "$head_before" ]]; }
wait_for 10 "the remembered head to move" head_moved

# Its sockets are named after the mount's device; another mount that was killed may leave some behind.
device=$(stat -c %Hd-%Ld "$MNT")
[[ -S /run/leadglass-emergency/$device.sock ]] || fail "no socket for emergencies of the name $device.sock"

# Told to end, it unmounts, though it may not; what was written last is there after it.
echo last >"$MNT/archive/last"
kill -TERM "$daemon"
wait_for 20 "the end of the daemon" daemon_gone
grep -q " $MNT " /proc/self/mountinfo && fail "still mounted after SIGTERM"
wait_for 10 "the end of the keeper" sh -c "! kill -0 $keeper 2>/dev/null"
same "sockets left behind" "" "$(find /run/leadglass /run/leadglass-emergency -newer "$WORK/rules.toml" -name "$device.sock" 2>/dev/null | while read -r socket; do fuser "$socket" >/dev/null 2>&1 || echo "$socket"; done)"

# A mount that follows at once may get the device number, and with it the place of the socket, before the one before has
# removed its own.
for _ in 1 2 3 4 5; do
  mount_vault
  "$LEADGLASS" status "$MNT" >/dev/null || fail "status of a mount that followed another at once"
  "$LEADGLASS" umount "$MNT"
done
wait_for 20 "the end of the last one" daemon_gone

# root's own commands would leave root's files in it.
code=0
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" 2>"$WORK/said" || code=$?
[[ $code -ne 0 ]] || fail "root checked somebody else's vault"
grep -q "setpriv --reuid $owner" "$WORK/said" || fail "the refusal does not say what to do: $(cat "$WORK/said")"
cp "$WORK/passphrase" "$WORK/srv/passphrase"
chown "$owner" "$WORK/srv/passphrase"
as "$owner" "$owner" "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/srv/passphrase" >/dev/null || fail "the owner's own check"

# Killed, it leaves a dead mount, not a folder to which a PACS writes in clear.
mount_vault
same "written before SIGTERM" last "$(cat "$MNT/archive/last")"
kill -9 "$(daemon_pid)"
wait_for 10 "the death of the daemon" daemon_gone
if touch "$MNT/in-clear" 2>/dev/null; then fail "a file was made below a dead mount"; fi
mount_vault
same "images after the kill" 3 "$(find "$MNT/patients" -type f | wc -l)"

# An older vault is refused, and accepted only where that is said.
unmount_vault
cp -a "$VAULT" "$WORK/older"
mount_vault
echo newer >"$MNT/archive/newer"
sync "$MNT/archive/newer"
unmount_vault
rm -r "$VAULT"
cp -a "$WORK/older" "$VAULT"
code=0
"$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/passphrase" --state-dir "$WORK/state" 2>/dev/null || code=$?
same "exit code for an older vault" 7 "$code"
mount_vault --accept-rollback
remount
same "images of the older vault" 3 "$(find "$MNT/patients" -type f | wc -l)"

# Back to where the rest of the run looks for it.
unmount_vault
rm "$WORK/passphrase" "$WORK/state"
mv "$WORK"/roots/* "$WORK"
chown -R root:root "$VAULT"
mv "$VAULT" "$WORK/vault"
