#!/usr/bin/env bash
# Deleting gives the disk its room back once the horizon has passed, and not before.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

# Of the segments: beside them lies room that is kept back, and written ahead.
log_bytes() { du -sc --block-size=1 "$VAULT"/log/????????/ | tail -n 1 | cut -f 1; }
told() { "$LEADGLASS" status "$MNT" --json | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
none_dead() { (($(told dead_bytes) < 1000000)); }
log_is_small() { ((full - $(log_bytes) > 150000000)); }

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
wait_for 10 "the log to become 200 MB smaller than $full bytes" log_is_small
# The disk and the report are of one mind, but for the room of the segment that is being written.
gap=$(($(told log_bytes) - $(log_bytes)))
((${gap#-} < 80000000)) || fail "status tells $(told log_bytes) bytes, the disk $(log_bytes)"
same "what stays" "$before" "$(checksums "$MNT/archive/stays")"
unmount_vault

"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "check after giving room back"
"$LEADGLASS" reindex "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null 2>&1 || fail "reindex"
mount_vault -o horizon=0
same "what stays, with a new index" "$before" "$(checksums "$MNT/archive/stays")"
(($(told dead_bytes) < 1000000)) || fail "a new index calls dead what was given back"
refused "$LEADGLASS" mount "$VAULT" "$WORK" -o horizon=soon --passphrase-file "$WORK/passphrase"
