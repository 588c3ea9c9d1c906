#!/usr/bin/env bash
# golden_test.sh [FOLDER]: every frozen vault of an older version opens, and shows what it showed when
# it was made (tests/golden/make_golden.sh). LEADGLASS: the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ $(id -u) -eq 0 && -c /dev/fuse ]] || {
  echo "SKIPPED: needs root and /dev/fuse"
  exit 77
}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/leadglass-golden.XXXXXX")
MNT=$WORK/mnt
export WORK MNT
trap 'umount -l "$MNT" 2>/dev/null || true; rm -rf --one-file-system "$WORK"' EXIT
chmod 755 "$WORK"
mkdir "$MNT"
echo golden >"$WORK/passphrase"
: >"$WORK/daemon.log"
# shellcheck source=tests/mount/lib.sh
source tests/mount/lib.sh
# shellcheck source=tests/golden/lib.sh
source tests/golden/lib.sh

count=0
for packed in "${1:-tests/golden}"/*/*.tar.xz; do
  name=$(basename "$packed" .tar.xz)
  tar -C "$WORK" -xJf "$packed"
  for options in ro rw; do
    rm -rf "$WORK/state"
    VAULT=$WORK/$name mount_vault -o "$options"
    golden_tree "$MNT" | diff "${packed%.tar.xz}.tree" - >&2 || fail "$packed, mounted $options"
    if [[ $options == rw ]]; then
      printf 'written by a later version' >"$MNT/archive/later"
      VAULT=$WORK/$name remount
      same "written into $name" 'written by a later version' "$(<"$MNT/archive/later")"
    fi
    unmount_vault
  done
  count=$((count + 1))
done
((count >= 5)) || fail "only $count frozen vaults"
echo "$count frozen vaults read as they did"
