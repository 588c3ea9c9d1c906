#!/usr/bin/env bash
# tar, rsync and cp carry whole trees in and out, and find nothing left to do the second time.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

gen_study "$WORK/source" --patients 2 --studies 2 --series 2 --instances 5 --size 64
cd "$WORK/source"
ln -s LG001-00001 newest
ln LG001-00001/1/1/00001.dcm hardlink.dcm
touch -d '2010-01-01 00:00:00.123456789 UTC' LG001-00002/1/1/00002.dcm
chmod 2750 LG001-00002
# An image shows the bits of its study for group and others, and its owner's own.
find . -name '*.dcm' -exec chmod 640 {} +
printf 'not an image' >notes.txt
chown 1111:2222 notes.txt
setfattr -n user.origin -v scanner LG001-00001/1/1/00002.dcm
truncate -s 3M sparse
cd "$MNT/archive"

tar -C "$WORK/source" --xattrs -cf - . | (mkdir by-tar && tar -C by-tar --xattrs -xpf -)
tree_facts by-tar >"$WORK/by-tar"
# Only the top folder is tar's own; all below it is compared.
tree_facts "$WORK/source" | diff - "$WORK/by-tar" >&2 || fail "tar -x"

# Without the window of -1 rsync leaves a time alone that differs by less than a second.
keep_all=(-aHAX --modify-window=-1)
rsync "${keep_all[@]}" "$WORK/source/" by-rsync/
tree_facts "$WORK/source" | diff - <(tree_facts by-rsync) >&2 || fail "rsync"
# The attributes that the mount shows of an image are not the source's: left out of the comparison.
left=$(rsync "${keep_all[@]}" --filter='-x user.dicom.*' --checksum --itemize-changes "$WORK/source/" by-rsync/)
same "second rsync" "" "$left"

cp -a "$WORK/source" by-cp
tree_facts "$WORK/source" | diff - <(tree_facts by-cp) >&2 || fail "cp -a"

rsync "${keep_all[@]}" by-tar/ "$WORK/back/"
tree_facts "$WORK/source" | diff - <(tree_facts "$WORK/back") >&2 || fail "rsync back"
same "xattr through tar" scanner "$(getfattr --only-values -n user.origin by-tar/LG001-00001/1/1/00002.dcm)"

rsync -a --delete "$WORK/source/LG001-00001/" by-rsync/
same "rsync --delete" "$(cd "$WORK/source/LG001-00001" && find . -type f | wc -l)" "$(find by-rsync -type f | wc -l)"
rm -rf by-rsync
[[ ! -e by-rsync ]] || fail "rm -rf"
