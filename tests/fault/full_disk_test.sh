#!/usr/bin/env bash
# A full disk: the writer is told (ENOSPC at write or close), reads and deletes go on, nothing is
# corrupt, and room that comes back is used without help. A read-only disk: readable.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

key=(--passphrase-file "$WORK/passphrase")
unmount_vault
cleanup() {
  kill -9 "$(daemon_pid)" 2>/dev/null || true
  umount -l "$MNT" 2>/dev/null || true
  umount -l "$WORK/disk" 2>/dev/null || true
}
trap cleanup EXIT
mkdir "$WORK/disk"
mount -t tmpfs -o size=320m tmpfs "$WORK/disk"
VAULT=$WORK/disk/vault
"$LEADGLASS" init "$VAULT" "${key[@]}" --scryptn 10 >/dev/null
mount_vault

# Files until one fails. Which those are that were written whole is known; each of them must stay.
cd "$MNT/archive"
head -c 8000000 /dev/urandom >"$WORK/source"
: >"$WORK/sums"
full=
for ((i = 1; i <= 120; i++)); do
  { echo "$i"; cat "$WORK/source"; } >"$WORK/next"
  if cp "$WORK/next" "file$i" 2>"$WORK/said"; then
    (cd "$WORK" && b2sum next) | sed "s/next/file$i/" >>"$WORK/sums"
  else
    full=$i
    break
  fi
done
[[ -n $full ]] || fail "120 files of 8 MB fitted into 320 MB"
grep -q 'No space left' "$WORK/said" || fail "not ENOSPC: $(<"$WORK/said")"
echo "full after $((full - 1)) files"
((full > 15)) || fail "full after $((full - 1)) files of 8 MB, on 320 MB"
avail=$(stat -f -c '%a * %S' .)
((avail < 64000000)) || fail "statfs still promises $((avail)) bytes"
kill -0 "$(daemon_pid)" || fail "the daemon died"
b2sum --quiet -c "$WORK/sums" || fail "a file that was written whole differs"
refused cp "$WORK/next" again
# The disk is as full for a small file.
for ((i = 1; i <= 2000; i++)); do (printf x >"small$i") 2>/dev/null || break; done

# Deletes go on, and so do renames within what is there to delete.
rm -f file1 "file$full" again || fail "deleting on a full disk"
sed -i '/ file1$/d' "$WORK/sums"
[[ ! -e file1 ]] || fail "deleted, and still there"
sync -f . || fail "syncing on a full disk"
cd /
remount
cd "$MNT/archive"
[[ ! -e file1 ]] || fail "a deleted file came back"
b2sum --quiet -c "$WORK/sums" || fail "a file differs after remounting"

# What deleted files took can be written again. (On so small a disk nothing waits for the horizon.)
rm -f file{2..11} || fail "deleting on a full disk"
sed -i -E '/ file([2-9]|10|11)$/d' "$WORK/sums"
cat_room() { cat "$WORK/source" "$WORK/source" "$WORK/source" >room; }
wait_for 30 "the room of ten deleted files" cat_room
cmp <(cat "$WORK/source" "$WORK/source" "$WORK/source") room || fail "written into room that came back"
b2sum --quiet -c "$WORK/sums" || fail "a file differs after room was given back"
cd /

if grep -q 'error closing' "$WORK/daemon.log"; then fail "the vault could not be closed on a full disk"; fi

# Room that somebody else gives back is used at once.
mount -o remount,size=500m "$WORK/disk"
cp "$WORK/next" "$MNT/archive/later" || fail "there is room again, and it is not used"
cmp "$WORK/next" "$MNT/archive/later"
(cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums")
unmount_vault
"$LEADGLASS" check "$VAULT" "${key[@]}" >/dev/null || fail "check found damage after a full disk"

# The disk becomes read-only.
mount -o remount,ro "$WORK/disk"
status=0
"$LEADGLASS" mount "$VAULT" "$MNT" "${key[@]}" --state-dir "$WORK/state" 2>"$WORK/said" || status=$?
same "exit code of mounting a read-only disk for writing" 5 "$status"
grep -qi 'read-only' "$WORK/said" || fail "no word of read-only: $(<"$WORK/said")"
mount_vault -o ro
(cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums") || fail "on a read-only disk"
refused touch "$MNT/archive/new"
unmount_vault
