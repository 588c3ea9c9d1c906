#!/usr/bin/env bash
# The daemon's memory stays bounded, whatever is copied in: a study of many images, and one image of
# many frames. Its peak resident size (VmHWM) is at most 200 MB.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

limit_kb=$((200 * 1000))
instances=300 # of 512 KiB
frames=400
if [[ -n ${LEADGLASS_LONG:-} ]]; then
  instances=8000
  frames=4000
fi

peak_kb() { awk '/^VmHWM:/ { print $2 }' "/proc/$(daemon_pid)/status"; }
within() {
  local peak
  peak=$(peak_kb)
  echo "$1: peak $((peak / 1000)) MB"
  ((peak <= limit_kb)) || fail "$1: the daemon's peak was $peak kB"
}

gen_study "$WORK/study" --series 1 --instances "$instances" --size 512
cp -r "$WORK/study" "$MNT/archive/study"
within "$instances images, $(du -sm "$WORK/study" | cut -f 1) MB, by cp"
diff -r "$WORK/study" "$MNT/archive/study" >&2 || fail "an image differs"
within "the same read back"
same "all are filed" "$instances" "$(find "$MNT/patients" -type f | wc -l)"
rm -r "$WORK/study"

gen_study "$WORK/frames" --instances 1 --frames "$frames" --size 512
cp -r "$WORK/frames" "$MNT/incoming/frames"
within "one file of $(du -sm "$WORK/frames" | cut -f 1) MB"
diff -r "$WORK/frames" "$MNT/incoming/frames" >&2 || fail "the frames differ"
within "the same read back"
