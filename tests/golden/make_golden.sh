#!/usr/bin/env bash
# make_golden.sh PROGRAM OUT: makes the frozen vaults of the present format in OUT: small, and for ever
# to be opened by later versions. Needs root and /dev/fuse. Each is OUT/<name>.tar.xz with OUT/<name>.tree,
# what golden_test.sh must find in it. Passphrase: "golden".
#   plain      every kind of file, closed
#   torn       left behind by kill -9, in its second session
#   damaged    one bit flipped in a data record
#   guarded    studies of a locked group (passphrase "group"), on hold, shredded; one let in by emergency
#   rotated    a passphrase added, another removed; "golden" is the newer one
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "$1")
out=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/leadglass-golden.XXXXXX")
trap 'umount -l "$work/mnt" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
mkdir "$work/mnt"
echo golden >"$work/passphrase"
export WORK=$work MNT=$work/mnt LEADGLASS=$program SOURCE_DIR=$PWD
: >"$work/daemon.log"
# shellcheck source=tests/mount/lib.sh
source tests/mount/lib.sh
# shellcheck source=tests/golden/lib.sh
source tests/golden/lib.sh

# start NAME: a new vault, mounted.
start() {
  export VAULT=$work/$1
  rm -rf "$work/state"
  "$program" init "$VAULT" --passphrase-file "$work/passphrase" --scryptn 10 >/dev/null
  mount_vault
}
# finish NAME: packs the vault without its index, which is derived, and writes down its tree.
finish() {
  rm -rf "$VAULT/index" "$VAULT/index.reserve" "$VAULT/lock"
  tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cSf - "$1" | xz -3 >"$out/$1.tar.xz"
  rm -rf "$work/state"
  mount_vault -o ro
  golden_tree "$MNT" >"$out/$1.tree"
  unmount_vault
}

fill() {
  scripts/gen_study.py "$work/study" --patients 2 --instances 2 --size 16
  cp -r "$work/study/LG001-00001" "$MNT/archive/"
  cp -r "$work/study/LG001-00002" "$MNT/incoming/"
  cd "$MNT/archive"
  printf 'ten bytes!' >small
  : >empty
  ln small hard
  ln -s LG001-00001/1/1/00001.dcm soft
  mkdir -m 2750 folder
  mkfifo -m 600 folder/fifo
  chown 1000:1001 folder
  truncate -s 1M sparse
  printf middle | dd of=sparse bs=1 seek=500000 conv=notrunc status=none
  setfattr -n user.colour -v green small
  touch -d '2001-02-03 04:05:06.123456789 UTC' small
  head -c 40000 /dev/urandom >noise
  cd - >/dev/null
  wait_for 120 "/incoming to let go of what was filed" nothing_in "$MNT/incoming/LG001-00002/1/1"
}
nothing_in() { [[ -z $(ls -A "$1") ]]; }

start plain
fill
unmount_vault
finish plain

start torn
fill
remount
printf 'in the second session' >"$MNT/archive/second"
sync "$MNT/archive/second"
printf overwritten | dd of="$MNT/archive/noise" bs=1 seek=20000 conv=notrunc,fsync status=none
kill_daemon
umount -l "$MNT"
finish torn

start damaged
head -c 100000 /dev/urandom >"$MNT/archive/hit"
printf 'not hit' >"$MNT/archive/spared"
unmount_vault
# The first data record is the hit file's; a bit in the middle of its bytes.
segment=$(find "$VAULT/log" -name '*.seg' -size +100k | sort | head -n 1)
python3 - "$segment" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(60000)
    byte = file.read(1)[0]
    file.seek(60000)
    file.write(bytes([byte ^ 1]))
PYTHON
finish damaged

start guarded
scripts/gen_study.py "$work/studies" --patients 4 --instances 2 --size 16
cp -r "$work/studies/." "$MNT/archive/"
study() { dirname "$(dirname "$(find "$MNT/patients" -samefile "$(find "$MNT/archive/LG001-0000$1" -name 00001.dcm)")")"; }
chgrp 44 "$(study 1)"
echo group >"$work/group"
"$program" group passphrase "$MNT" 44 --new-passphrase-file "$work/group" --scryptn 10
"$program" hold add "$(study 2)" --reason 'a court order'
"$program" emergency begin "$(study 4)" --user daemon --reason 'unconscious' --for 1m
printf 'not a study' >"$MNT/archive/note"
"$program" study shred "$(study 3)" --reason 'retention is over' --yes
unmount_vault
"$program" recovery export "$VAULT" --passphrase-file "$work/passphrase" --output "$work/kit" >/dev/null
finish guarded

echo first >"$work/first"
mv "$work/passphrase" "$work/golden"
mv "$work/first" "$work/passphrase"
start rotated
printf 'before' >"$MNT/archive/before"
unmount_vault
"$program" passphrase add "$VAULT" --passphrase-file "$work/passphrase" --new-passphrase-file "$work/golden" --scryptn 10
"$program" passphrase remove "$VAULT" 1 --passphrase-file "$work/golden"
cp "$work/golden" "$work/passphrase"
mount_vault
printf 'after' >"$MNT/archive/after"
unmount_vault
finish rotated
ls -l "$out"
