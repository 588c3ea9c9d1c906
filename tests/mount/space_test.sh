#!/usr/bin/env bash
# Deleting gives the disk its room back once the horizon has passed, and not before.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

log_bytes() { du -s --block-size=1 "$VAULT/log" | cut -f 1; }
told() { "$LEADGLASS" status "$MNT" --json | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
none_dead() { (($(told dead_bytes) < 1000000)); }

gen_study "$WORK/study" --instances 400 --size 512
cp -r "$WORK/study" "$MNT/archive/goes"
cp -r "$WORK/study" "$MNT/archive/stays"
before=$(checksums "$MNT/archive/stays")
# Segments that are written to give nothing back: this one is pushed on.
head -c 70000000 /dev/urandom >"$MNT/archive/newer"
rm -r "$MNT/archive/goes"
sync -f "$MNT"
(($(told dead_bytes) > 150000000)) || fail "200 MB were deleted, and $(told dead_bytes) bytes are dead"
sleep 3
(($(told dead_bytes) > 150000000)) || fail "given back within the default horizon of a day"

full=$(log_bytes)
unmount_vault
mount_vault -o horizon=2s
wait_for 10 "a commit in a new segment" touch "$MNT/archive/touched"
wait_for 60 "the room of 400 deleted images" none_dead
left=$(log_bytes)
((full - left > 150000000)) || fail "the log took $full bytes, and takes $left after deleting 200 MB"
# The disk and the report are of one mind.
gap=$(($(told log_bytes) - left))
((${gap#-} < 140000000)) || fail "status tells $(told log_bytes) bytes, the disk $left"
same "what stays" "$before" "$(checksums "$MNT/archive/stays")"
unmount_vault

"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "check after giving room back"
"$LEADGLASS" reindex "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null 2>&1 || fail "reindex"
mount_vault -o horizon=0
same "what stays, with a new index" "$before" "$(checksums "$MNT/archive/stays")"
(($(told dead_bytes) < 1000000)) || fail "a new index calls dead what was given back"
refused "$LEADGLASS" mount "$VAULT" "$WORK" -o horizon=soon --passphrase-file "$WORK/passphrase"
