#!/usr/bin/env bash
# A vault that belongs to a system user is served as that user: without root, without capabilities, under a seccomp
# filter, not to be traced; and everything that a mount can do still works. One that belongs to root keeps root's files
# and nothing else.
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

# rights_are UID CAPABILITIES: of the daemon in each of its threads, and that nothing gives it more.
rights_are() {
  local thread set
  for thread in /proc/"$(daemon_pid)"/task/*; do
    same "users of thread ${thread##*/}" "$1 $1 $1 $1" "$(awk '$1 == "Uid:" { print $2, $3, $4, $5 }' "$thread/status")"
    same "groups of thread ${thread##*/}" "$1 $1 $1 $1" "$(awk '$1 == "Gid:" { print $2, $3, $4, $5 }' "$thread/status")"
    for set in CapPrm CapEff; do
      same "$set of thread ${thread##*/}" "$2" "$(awk -v name=$set: '$1 == name { print $2 }' "$thread/status")"
    done
    for set in CapInh CapAmb; do
      same "$set of thread ${thread##*/}" 0000000000000000 "$(awk -v name=$set: '$1 == name { print $2 }' "$thread/status")"
    done
    same "NoNewPrivs of thread ${thread##*/}" 1 "$(awk '$1 == "NoNewPrivs:" { print $2 }' "$thread/status")"
    same "filter of thread ${thread##*/}" 2 "$(awk '$1 == "Seccomp:" { print $2 }' "$thread/status")"
  done
}
# reads_ahead: the mount reads as far ahead as is good for images, though the process that serves it may not say so.
reads_ahead() {
  local setting
  setting=/sys/class/bdi/$(mountpoint -d "$MNT")/read_ahead_kb
  [[ ! -w $setting ]] || same "KiB read ahead" 1024 "$(cat "$setting")"
}
rights_are "$owner" 0000000000000000
reads_ahead
same "further groups" "" "$(field Groups | tr -d ' ')"
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

unmount_vault

# member_reads_where_processes_are_hidden: somebody whom a further group lets in, on a mount whose daemon sees of /proc
# what group 60077 and a process's owner see.
member_reads_where_processes_are_hidden() {
  # shellcheck disable=SC2016 # the inner shell's
  unshare --mount sh -c '
    mount -t proc -o hidepid=invisible,gid=60077 proc /proc
    "$1" mount "$2" "$3" --passphrase-file "$4/passphrase" --state-dir "$4/state" || exit 2
    code=0
    setpriv --reuid 60001 --regid 60001 --groups "$5" ls "$6" >/dev/null 2>&1 || code=1
    "$1" umount "$3" || exit 2
    exit $code' sh "$LEADGLASS" "$VAULT" "$MNT" "$WORK" "$audio" "$study"
}
# Vaults of USER: such a member counts once the vault's folder is given to that group.
for user in "$owner" 0; do
  chown -R "$user:$user" "$VAULT"
  chown "$user" "$WORK/srv"
  code=0
  member_reads_where_processes_are_hidden || code=$?
  same "a member, of whose groups the daemon learns nothing" 1 "$code"
  chgrp 60077 "$VAULT"
  member_reads_where_processes_are_hidden || fail "a member is refused though the vault of user $user belongs to the group"
done

# root's own vault.
chown -R root:root "$VAULT"
mount_vault
rights_are 0 0000000000000020 # CAP_KILL, for the parser's processes
reads_ahead
daemon=$(daemon_pid)
same "processes with root's other capabilities" leadglass-keep \
  "$(for child in $(pgrep -P "$daemon"); do [[ $(field CapEff "$child") == 0000000000000000 ]] || cat "/proc/$child/comm"; done)"
as 60010 60010 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
same "images of root's vault" 3 "$(find "$MNT/patients" -type f | wc -l)"
# A parser that hangs is ended, though it is nobody's.
zygote=$(pgrep -P "$daemon" -u nobody) || fail "no parser"
stopped=$(pgrep -P "$zygote" | head -n 1)
[[ -n $stopped ]] || fail "the parser has no process for a file"
# shellcheck disable=SC2046 # a list
kill -STOP $(pgrep -P "$zygote")
as 60010 60010 timeout 60 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
parser_ended() { ! kill -0 "$stopped" 2>/dev/null; }
wait_for 20 "the end of a parser that hangs" parser_ended
same "images after that" 3 "$(find "$MNT/patients" -type f | wc -l)"
kill -TERM "$daemon"
wait_for 20 "the end of the daemon" daemon_gone
grep -q " $MNT " /proc/self/mountinfo && fail "root's vault is still mounted after SIGTERM"
# What somebody else has put there is closed to it, which is said.
chown 60050 "$VAULT"/keyring "$VAULT"/keyring.copy
code=0
"$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/passphrase" --state-dir "$WORK/state" 2>"$WORK/said" || code=$?
[[ $code -ne 0 ]] || fail "root's vault is served though a part of it is closed to root without capabilities"
grep -q "chown -R" "$WORK/said" || fail "the message does not say what to do: $(cat "$WORK/said")"

# Back to where the rest of the run looks for it.
chown -R root:root "$VAULT"
rm "$WORK/passphrase" "$WORK/state"
mv "$WORK"/roots/* "$WORK"
mv "$VAULT" "$WORK/vault"
