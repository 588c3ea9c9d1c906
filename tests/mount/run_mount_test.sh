#!/usr/bin/env bash
# run_mount_test.sh SCRIPT [MOUNT-OPTION...]: makes a vault, mounts it, runs SCRIPT, unmounts; and
# looks afterwards for what no test may leave: a mount, a daemon, a patient's name in the daemon's
# log or in the vault. Exit 77: skipped.
#   LEADGLASS=PROGRAM      the program under test
#   LEADGLASS_MOUNT_PLAIN=1   run SCRIPT on a plain folder instead: is the test itself right?
#   LEADGLASS_KEEP=1       leave the scratch folder behind
set -euo pipefail

script=$(realpath "$1")
shift
SOURCE_DIR=$(realpath "$(dirname "$0")/../..")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/leadglass-mount.XXXXXX")
VAULT=$WORK/vault
MNT=$WORK/mnt
export SOURCE_DIR WORK VAULT MNT LEADGLASS
# The daemon needs the way to the mount point, other users too.
chmod 755 "$WORK"
mkdir "$MNT"
: >"$WORK/daemon.log"

cleanup() {
  local status=$?
  local daemon
  daemon=$(cat "$WORK/daemon.pid" 2>/dev/null || true)
  if grep -q " $WORK/" /proc/self/mountinfo; then
    echo "FAILED: a mount was left behind" >&2
    status=1
    fusermount3 -uz "$MNT" 2>/dev/null || umount -l "$MNT" || true
  fi
  if [[ -n $daemon ]] && kill -0 "$daemon" 2>/dev/null; then
    sleep 1
    if kill -9 "$daemon" 2>/dev/null; then
      echo "FAILED: the daemon was left behind" >&2
      status=1
    fi
  fi
  if [[ $status -ne 0 && $status -ne 77 ]]; then
    echo "-- end of the daemon's log" >&2
    tail -n 30 "$WORK/daemon.log" >&2
  fi
  [[ -n ${LEADGLASS_KEEP:-} ]] || rm -rf --one-file-system "$WORK"
  exit "$status"
}
trap cleanup EXIT
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

if [[ -n ${LEADGLASS_MOUNT_PLAIN:-} ]]; then
  export LEADGLASS_PLAIN=1
  mkdir "$MNT/archive" "$MNT/incoming" "$MNT/patients"
else
  [[ $(id -u) -eq 0 && -c /dev/fuse ]] || skip "needs root and /dev/fuse"
  printf 'correct horse battery staple\n' >"$WORK/passphrase"
  "$LEADGLASS" init "$VAULT" --passphrase-file "$WORK/passphrase" --scryptn 10 >/dev/null
  mount_vault "$@"
fi

status=0
bash "$script" || status=$?
if [[ $status -ne 0 ]]; then
  # What the script says is the verdict; the mount goes away in any case.
  [[ -n ${LEADGLASS_PLAIN:-} ]] || umount -l "$MNT" 2>/dev/null || true
  exit "$status"
fi
if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  if mountpoint -q "$MNT"; then unmount_vault; fi
  "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "check found damage"
fi

# The generator's names and ids, in whole or in part, and the passphrase.
leak='Grünwald|Søndergård|Ōyama|大山|Siobhán|Țepeluș|Ångström|Πετρίδης|Жданова|Nguyễn|Wiśniewska|Brontë'
leak+='|Featherstonehaugh|LG[0-9]{3}-[0-9]{5}|ACC[0-9]{10}|CompressedSamples|horse battery'
for place in "$WORK/daemon.log" "$VAULT"; do
  if [[ -e $place ]] && grep -raqE "$leak" "$place"; then
    fail "a name or the passphrase stands in ${place#"$WORK"/}"
  fi
done
