#!/usr/bin/env bash
# Everyday programs in /archive behave as on ext4.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
cd "$MNT/archive"
mkdir work
cd work

# Copies are equal, whatever the size.
for size in 0 1 4095 4096 4097 16384 131073 3000001; do
  head -c "$size" /dev/urandom >"$WORK/source"
  cp "$WORK/source" "f$size"
  cmp "$WORK/source" "f$size" || fail "copy of $size bytes differs"
  same "size of $size bytes" "$size" "$(stat -c %s "f$size")"
done

# Names: rename over, hard links, symbolic links, removal.
mv f1 f0
same "rename over" 1 "$(stat -c %s f0)"
[[ ! -e f1 ]] || fail "the old name stayed"
ln f4096 link
same "links" 2 "$(stat -c %h f4096)"
same "one inode" "$(stat -c %i f4096)" "$(stat -c %i link)"
rm f4096
same "links after removal" 1 "$(stat -c %h link)"
ln -s link symlink
same "symlink" link "$(readlink symlink)"
cmp link symlink
mkdir -p a/b/c
refused rmdir a
mv a/b moved
[[ -d moved/c ]] || fail "folder did not move with its contents"
rmdir moved/c moved a
long=$(printf 'n%.0s' {1..255})
touch "$long"
[[ -e $long ]] || fail "255-byte name"
refused touch "${long}n"
rm "$long"
touch 'sp ace' "quo'te" $'new\nline' 'ümläut'
same "odd names" 4 "$(find . -maxdepth 1 \( -name 'sp ace' -o -name "quo'te" -o -name $'new\nline' -o -name 'ümläut' \) -printf x | wc -c)"

# Times to the nanosecond, modes, setgid folders.
touch -d '2001-02-03 04:05:06.123456789 UTC' f4095
same "mtime" 981173106.123456789 "$(date -u -d "$(stat -c %y f4095)" +%s.%N)"
touch -a -d '1999-12-31 23:59:59.000000001 UTC' f4095
same "atime" 946684799.000000001 "$(date -u -d "$(stat -c %x f4095)" +%s.%N)"
chmod 4751 f4095
same "mode" 4751 "$(stat -c %a f4095)"
mkdir team
chgrp 12345 team
chmod 2775 team
touch team/file
mkdir team/folder
same "group from a setgid folder" 12345 "$(stat -c %g team/file)"
same "setgid is inherited" 2755 "$(stat -c %a team/folder)"

# Truncation, both ways, and appending.
truncate -s 100 f3000001
same "shorter" 100 "$(stat -c %s f3000001)"
truncate -s 200000 f3000001
same "longer reads zeros" 0 "$(tail -c +101 f3000001 | tr -d '\0' | wc -c)"
printf one >log
printf two >>log
same "append" onetwo "$(cat log)"

# Extended attributes.
setfattr -n user.colour -v green log
same "xattr" green "$(getfattr --only-values -n user.colour log)"
setfattr -x user.colour log
refused getfattr -n user.colour log

# statfs tells of room, and a file that is gone gives it back in time.
same "block size" yes "$([[ $(stat -f -c %S .) -gt 0 && $(stat -f -c %a .) -gt 0 ]] && echo yes)"

# An unlinked file lives as long as it is open.
exec 7<>open
rm open
printf still >&7
same "unlinked but open" still "$(head -c 5 /proc/$$/fd/7)"
exec 7>&-

python3 "$SOURCE_DIR/tests/mount/posix_data.py" .
