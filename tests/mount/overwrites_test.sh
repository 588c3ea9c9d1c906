#!/usr/bin/env bash
# A database that is overwritten page by page for ever does not make the vault grow for ever. With
# LEADGLASS_LONG: a million pages of a file of 200 MB, each synced; the vault then takes at most
# twice what is live.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

# So much that what is not worth a checkpoint yet (16 MiB, and what else lies among it) hardly counts.
megabytes=48 count=80000 each=20 slack=20000000
if [[ -n ${LEADGLASS_LONG:-} ]]; then megabytes=200 count=1000000 each=1 slack=0; fi
live=$(((megabytes << 20) + 20 * 530000))
# Of the segments and the index: beside them lies room that is kept back, and written ahead.
vault_bytes() { du -sc --block-size=1 "$VAULT"/log/????????/ "$VAULT/index" | tail -n 1 | cut -f 1; }
# Upkeep has done enough, or all that it wants to do: what is not worth a checkpoint yet stays while
# nobody writes, which may be a little more.
settled() {
  local bytes
  bytes=$(vault_bytes)
  # The segment that is being written has its room beforehand.
  if ((bytes < 2 * live + 70000000)); then return 0; fi
  if [[ $bytes != "$seen" ]]; then seen=$bytes seen_at=$SECONDS; fi
  ((SECONDS - seen_at >= 15))
}

unmount_vault
mount_vault -o horizon=0
gen_study "$WORK/study" --instances 20 --size 512
cp -r "$WORK/study" "$MNT/archive/study"
images=$(checksums "$MNT/archive/study")
head -c $((megabytes << 20)) /dev/urandom >"$MNT/archive/database"
cp "$MNT/archive/database" "$WORK/database"
overwrite() { # SEED COUNT
  python3 - "$MNT/archive/database" "$WORK/database" "$each" "$@" <<'EOF'
import os, random, sys

mounted, plain = (os.open(path, os.O_RDWR) for path in sys.argv[1:3])
each, seed, count = (int(argument) for argument in sys.argv[3:])
pages = os.fstat(plain).st_size // 4096
chance = random.Random(seed)
for i in range(count):
    page = chance.randrange(pages) * 4096
    data = chance.randbytes(4096)
    for file in mounted, plain:
        if os.pwrite(file, data, page) != 4096:
            sys.exit("a short write")
    if i % each == 0:
        os.fdatasync(mounted)
os.fdatasync(mounted)
EOF
}
begun=$SECONDS
for seed in 1 2 3 4; do
  overwrite "$seed" $((count / 4))
  # Whatever upkeep is doing now is not done.
  kill_daemon
  mount_vault -o horizon=0
done
echo "$count pages in $((SECONDS - begun)) s, then $(vault_bytes) bytes for $live that are live"
seen='' seen_at=$SECONDS
wait_for 180 "upkeep to be done" settled # it gives way to others' load
same "the database" "$(b2sum <"$WORK/database")" "$(b2sum <"$MNT/archive/database")"
unmount_vault
echo "$(vault_bytes) bytes in the end"
(($(vault_bytes) < 2 * live + slack)) || fail "the vault takes $(vault_bytes) bytes"
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "check"
# From what the log still says.
rm -r "$VAULT/index"
mount_vault
same "the database, with a new index" "$(b2sum <"$WORK/database")" "$(b2sum <"$MNT/archive/database")"
same "the images, with a new index" "$images" "$(checksums "$MNT/archive/study")"
