#!/usr/bin/env bash
# What was written is there after unmounting and mounting again, attribute for attribute.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

gen_study "$WORK/source" --patients 3 --studies 2 --series 2 --instances 4 --size 64
cp -r "$WORK/source" "$MNT/archive/pacs"
cd "$MNT/archive"
mkdir -p other/deep/er
head -c 2500000 /dev/urandom >other/big
printf '' >other/empty
ln other/big other/deep/hardlink
ln -s ../big other/deep/symlink
touch -d '2003-04-05 06:07:08.987654321 UTC' other/big other/deep
truncate -s 5M other/sparse
printf end | dd of=other/sparse bs=1 seek=4000000 conv=notrunc status=none
setfattr -n user.note -v 'kept too' other/big
mkfifo other/fifo
chmod 3770 other/deep/er
chown 1234:5678 other/empty
chmod 0640 other/empty
setfacl -m u:4321:r other/empty

tree_facts "$MNT/archive" >"$WORK/before"
getfacl -pn other/empty >"$WORK/acl"
(cd "$MNT/patients" && find . | LC_ALL=C sort) >"$WORK/views"
cd /
for round in 1 2 3; do
  remount
  tree_facts "$MNT/archive" >"$WORK/after"
  diff "$WORK/before" "$WORK/after" >&2 || fail "round $round: the tree differs"
  (cd "$MNT/patients" && find . | LC_ALL=C sort) | diff "$WORK/views" - >&2 || fail "round $round: the views differ"
  same "xattr" 'kept too' "$(getfattr --only-values -n user.note "$MNT/archive/other/big")"
  (cd "$MNT/archive" && getfacl -pn other/empty) | diff "$WORK/acl" - >&2 || fail "the ACL differs"
done
if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  [[ -s $WORK/views ]] || fail "no views"
  unmount_vault
  "$LEADGLASS" reindex "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "reindex"
  mount_vault
  tree_facts "$MNT/archive" | diff "$WORK/before" - >&2 || fail "the tree differs after reindex"
  (cd "$MNT/patients" && find . | LC_ALL=C sort) | diff "$WORK/views" - >&2 || fail "the views differ after reindex"
  unmount_vault
  rm -rf "$VAULT/index"
  mount_vault
  tree_facts "$MNT/archive" | diff "$WORK/before" - >&2 || fail "the tree differs without an index"
  unmount_vault
  mount_vault -o ro
  refused touch "$MNT/archive/other/new"
  cmp "$MNT/archive/other/big" "$MNT/archive/other/deep/symlink" || fail "read-only mount does not read"
  unmount_vault

  # In the background. The parser's processes are in the daemon's session: Linux deals out the processors by sessions,
  # and each close of an image waits for the parser.
  "$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/passphrase" --state-dir "$WORK/state" || fail "mount"
  cp "$MNT/archive/pacs/$(cd "$MNT/archive/pacs" && find . -name '*.dcm' | head -n 1)" "$MNT/archive/one-more.dcm"
  # The keeper, which no file waits for, has a session of its own.
  processes=$(for process in $(pgrep -f "mount $VAULT $MNT "); do
    [[ $(cat "/proc/$process/comm") == leadglass-keep ]] || echo "$process"
  done)
  (($(wc -l <<<"$processes") >= 3)) || fail "no daemon, parser and worker: $processes"
  sessions=$(xargs -n 1 ps -o sid= -p <<<"$processes" | sort -u)
  same "sessions" 1 "$(wc -l <<<"$sessions")"
  [[ $sessions != "$(ps -o sid= -p $$)" ]] || fail "the daemon is still in the session of who mounted"
  "$LEADGLASS" umount "$MNT" || fail "umount"
  processes_gone() { ! pgrep -f "mount $VAULT $MNT "; }
  wait_for 20 "the end of the daemon" processes_gone
fi
