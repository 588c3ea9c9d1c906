#!/usr/bin/env bash
# A power cut under load loses nothing that was fsynced, and leaves every file readable. The vault
# lies on an ext4 of its own, which is shut down at once, its journal not flushed.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
# shellcheck source=tests/mount/crash_rounds.sh
source "$SOURCE_DIR/tests/mount/crash_rounds.sh"
need_real_mount

# In a mount namespace of its own: a namespace that somebody else makes meanwhile would have a copy of the disk's mount,
# and a file system that was shut down stays as it is until the last of its mounts is gone.
if [[ ${1:-} != inside ]]; then
  unmount_vault # the vault that every test gets
  exec unshare --mount --propagation slave bash "$0" inside
fi

disk_mounted() { mountpoint -q "$WORK/disk"; }
disk_unmount() { umount "$WORK/disk"; }
# The disk goes before the runner looks for what was left behind.
cleanup() {
  kill -9 "$(daemon_pid)" 2>/dev/null || true
  umount -l "$MNT" 2>/dev/null || true
  if disk_mounted; then umount "$WORK/disk" 2>/dev/null || umount -l "$WORK/disk"; fi
}
trap cleanup EXIT

disk_size=1G
[[ -z ${LEADGLASS_LONG:-} ]] || disk_size=16G
truncate -s "$disk_size" "$WORK/image"
mkfs.ext4 -q -F "$WORK/image"
mkdir "$WORK/disk"
mount -o loop "$WORK/image" "$WORK/disk" 2>/dev/null || skip "no loop devices here"
VAULT=$WORK/disk/vault
"$LEADGLASS" init "$VAULT" --passphrase-file "$WORK/passphrase" --scryptn 10 >/dev/null
sync -f "$WORK/disk"
mount_vault

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more reaches the disk.
# The daemon is stopped first, as the power would have: an fdatasync that is under way when ext4 is shut
# down may return 0 although its block is lost (the conversion of the unwritten extent fails behind its
# back; seen on Linux 6.18 with a program that does no more than pwrite and fdatasync). What was
# acknowledged before that moment has to be there.
daemon_stopped() { ! cut -d ')' -f 2 /proc/"$(daemon_pid)"/task/*/stat | holds -v '^ [TtD] '; }
crash() {
  kill -STOP "$(daemon_pid)"
  wait_for 20 "the daemon to stop" daemon_stopped
  python3 -c '
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))' "$WORK/disk"
  kill_daemon
}
comes_back() {
  umount -l "$MNT" 2>/dev/null || true
  wait_for 20 "the disk to be free" disk_unmount
  mount -o loop "$WORK/image" "$WORK/disk"
}
crash_rounds 3 200
unmount_vault
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "check found damage"
