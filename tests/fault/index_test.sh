#!/usr/bin/env bash
# The index is derived: thrown away, torn, rolled back, or swapped for another vault's, it is rebuilt
# or refused and never trusted; and `reindex` gives the same tree, attribute for attribute.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

images=60
[[ -z ${LEADGLASS_LONG:-} ]] || images=20000

# Everything that stat and getxattr tell of everything, inode numbers and times included. What came
# through /incoming leaves it after a minute: made gone before.
everything() {
  (cd "$MNT" && find . -printf '%P|%i|%y|%m|%U:%G|%n|%s|%b|%T@|%C@|%A@|%l\n' | LC_ALL=C sort)
  (cd "$MNT" && find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null)
}
compare() {
  everything >"$WORK/now"
  if ! cmp -s "$WORK/tree" "$WORK/now"; then
    diff "$WORK/tree" "$WORK/now" | head -n 10 >&2 || true
    fail "$1: the tree differs"
  fi
  (cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums") || fail "$1: contents differ"
}

gen_study "$WORK/study" --patients 10 --studies 2 --series 3 --instances $((images / 60)) --size 16
cp -r "$WORK/study" "$MNT/archive/study"
# The ordinary kinds of things, too.
cd "$MNT/archive"
mkdir -m 2750 folder
ln study/LG001-00001/1/1/00001.dcm folder/hard
ln -s ../study folder/soft
mkfifo folder/fifo
truncate -s 10M folder/sparse
printf middle | dd of=folder/sparse bs=1 seek=5000000 conv=notrunc status=none
setfattr -n user.note -v kept folder/sparse
touch -d '2001-02-03 04:05:06.123456789 UTC' folder/sparse
rm study/LG001-00002/1/1/00001.dcm
mv study/LG001-00003 folder/moved
cd "$WORK"
sync -f "$MNT"
# An older index of the same vault, as a backup would have it.
unmount_vault
cp -a "$VAULT/index" "$WORK/older-index"
mount_vault
cp "$WORK/study/LG001-00002/1/1/00001.dcm" "$MNT/archive/back.dcm"
chmod 640 "$MNT/archive/folder/hard"
same "all stand in the view" "$(find "$MNT/archive" -name '*.dcm' | wc -l)" "$(find "$MNT/patients" -type f | wc -l)"
(cd "$MNT/archive" && find . -type f -print0 | xargs -0 b2sum >"$WORK/sums")
everything >"$WORK/tree"
remount
compare "after remounting"
unmount_vault

started=$SECONDS
"$LEADGLASS" reindex "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null || fail "reindex"
echo "reindex of $images images: $((SECONDS - started)) s"
mount_vault
compare "after reindex"
unmount_vault
cp -a "$VAULT/index" "$WORK/good-index"

rm -r "$VAULT/index"
mount_vault
compare "index thrown away"
unmount_vault

"$LEADGLASS" init "$WORK/other" --passphrase-file "$WORK/passphrase" --scryptn 10 >/dev/null
VAULT=$WORK/other mount_vault
cp -r "$WORK/study/LG001-00001" "$MNT/archive/"
unmount_vault
spoil() {
  case $1 in
    older) cp -a "$WORK/older-index" "$VAULT/index" ;;
    other) cp -a "$WORK/other/index" "$VAULT/index" ;;
    torn-*)
      cp -a "$WORK/good-index" "$VAULT/index"
      local file
      file=$(find "$VAULT/index" -type f -size +0 -printf '%s %p\n' | sort -n -r | sed -n "${1#torn-}p" | cut -d ' ' -f 2)
      [[ -n $file ]] || return 1
      truncate -s $(($(stat -c %s "$file") / 2)) "$file"
      ;;
    flipped-*)
      cp -a "$WORK/good-index" "$VAULT/index"
      local victim
      victim=$(find "$VAULT/index" -type f -size +0 -printf '%s %p\n' | sort -n -r | sed -n "${1#flipped-}p" | cut -d ' ' -f 2)
      [[ -n $victim ]] || return 1
      python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(0, 2); at = f.tell() // 3; f.seek(at); b = f.read(1); f.seek(at); f.write(bytes([b[0] ^ 8]))' "$victim"
      ;;
    mixed) # tables of another time under the newest names
      cp -a "$WORK/good-index" "$VAULT/index"
      cp -a "$WORK/older-index/." "$VAULT/index/"
      ;;
    empty) mkdir "$VAULT/index" ;;
  esac
}
for damage in older other torn-1 torn-2 torn-3 flipped-1 flipped-2 flipped-3 mixed empty; do
  rm -rf "$VAULT/index"
  spoil "$damage" || continue
  mount_vault
  if [[ $damage == flipped-* ]]; then
    # Damage inside a table shows when it is read: an error, then rebuilt at the next mount.
    everything >"$WORK/now" 2>/dev/null || true
    (cd "$MNT/archive" && b2sum -c "$WORK/sums" 2>/dev/null | grep ': FAILED$') &&
      fail "index $damage: other contents, without an error"
    remount
  fi
  compare "index $damage"
  unmount_vault
done
