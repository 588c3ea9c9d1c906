#!/usr/bin/env bash
# getfacl, setfacl, chgrp -R, find -group, cp -a, rsync -AX and tar --acls --xattrs do on the mount what they do on the
# disk's own filesystem, as root and as a member of the study's group.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

audio=$(getent group audio | cut -d : -f 3)
video=$(getent group video | cut -d : -f 3)
as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }

# ---- Files that are no images: step by step the same output and the same exit codes.

# Everything that may differ is left out: no times, no inode numbers, no numbers of links.
# shellcheck disable=SC2016 # the inner shell expands it
steps='
cd "$1" || exit 1
step() { echo "== $*"; "$@" 2>&1 | LC_ALL=C sort; echo "exit ${PIPESTATUS[0]}"; }
facts() { find . ! -name . -printf "%P %y %m %U:%G " \( -type f -printf "%s\n" -o -printf "\n" \) | LC_ALL=C sort
  names=$(find . ! -type l | LC_ALL=C sort)
  getfacl -n $names 2>&1; getfattr -d -m "^user\." $names 2>&1; }
umask 027
step mkdir -p tree/a/b tree/c
step sh -c "echo one >tree/a/one; echo two >tree/a/b/two; ln -s a/one tree/link; ln tree/a/one tree/hard"
step setfattr -n user.note -v "a text" tree/a/one
step setfacl -m "g:$2:rx" tree/a
step setfacl -m "u:60002:rw,g:$2:r,m::r" tree/a/one
step setfacl -d -m "g:$2:rwx" tree/c
step touch tree/c/inherits
step mkdir tree/c/inherits-too
step setfacl -x "g:$2" tree/a
step setfacl -b tree/a/b
step setfacl -k tree/c/inherits-too
step setfacl -m g:no-such-group:r tree/a
step setfacl -m u::rwx,g::rwx,o::--- tree/a/b/two
step chmod 640 tree/a/one
step chgrp -R "$2" tree
step chgrp 0 tree/a/b/two
step sh -c "find tree -group $2 | LC_ALL=C sort"
step sh -c "find tree -perm -g+w | LC_ALL=C sort"
step cp -a tree copied
step rsync -aHAX tree/ synced/
step sh -c "rsync -aHAX --itemize-changes tree/ synced/ | LC_ALL=C sort"
step tar --acls --xattrs -cf tree.tar tree
step mkdir untarred
step tar --acls --xattrs -C untarred -xpf tree.tar
step rm tree.tar
facts
'
mkdir "$WORK/disk"
for who in "0 0" "60001 $audio"; do
  read -r uid gid <<<"$who"
  for place in "$WORK/disk" "$MNT/archive"; do install -d -o "$uid" -g "$gid" "$place/of-$uid"; done
  chmod 755 "$WORK" "$WORK/disk" "$MNT/archive"
  other=$video
  as "$uid" "$gid" bash -c "$steps" - "$WORK/disk/of-$uid" "$other" >"$WORK/disk-$uid" || true
  as "$uid" "$gid" bash -c "$steps" - "$MNT/archive/of-$uid" "$other" >"$WORK/mount-$uid" || true
  grep -q '^exit 0$' "$WORK/disk-$uid" || fail "nothing succeeds on the disk either"
  diff "$WORK/disk-$uid" "$WORK/mount-$uid" || fail "the mount differs from the disk for uid $uid"
  same "copies that tools made as uid $uid" 4 "$(find "$MNT/archive/of-$uid" -name one | wc -l)"
done

# ---- A study.

printf 'default_group = "audio"\n' >"$WORK/rules.toml"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
gen_study "$WORK/ct" --instances 4 --size 64 --modality CT --seed 2
install -d -o 60010 -g 60010 "$MNT/archive/pacs"
as 60010 60010 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
study=$(echo "$MNT"/patients/*/*)
access() { (cd "$1" && find . | LC_ALL=C sort | xargs -d '\n' getfacl -n && find . -printf '%P %m %U:%G\n' | LC_ALL=C sort); }
attributes() { (cd "$1" && find . -type f | LC_ALL=C sort | while read -r file; do getfattr -d -m '^user\.' "$file"; done); }

setfacl -m "g:$video:rx" "$study"
getfacl -np "$study" | holds -x "group:$video:r-x" || fail "getfacl does not show what setfacl set"
as 60002 "$video" cat "$study"/*/* >/dev/null || fail "whom the list lets in reads nothing"
chgrp -R video "$study"
same "what chgrp -R left behind" 0 "$(find "$study" ! -group video | wc -l)"
same "what find -group finds" 6 "$(find "$study" -group video | wc -l)"
same "the same under /archive" 4 "$(find "$MNT/archive/pacs" -type f -group video | wc -l)"
setfacl -x "g:$video" "$study"
setfacl -m "g:$audio:rx" "$study"

mkdir -m 777 "$WORK/out"
for who in "0 0" "60001 $audio"; do
  read -r uid gid <<<"$who"
  out=$WORK/out/$uid
  as "$uid" "$gid" mkdir -m 700 "$out"
  as "$uid" "$gid" cp -a "$study" "$out/cp" || fail "cp -a as uid $uid"
  as "$uid" "$gid" rsync -aAX "$study/" "$out/rsync/" || fail "rsync -AX as uid $uid"
  as "$uid" "$gid" sh -c "cd '$study' && tar --acls --xattrs -cf '$out/study.tar' ." || fail "tar as uid $uid"
  as "$uid" "$gid" mkdir "$out/tar"
  as "$uid" "$gid" tar --acls --xattrs --xattrs-include='user.*' -C "$out/tar" -xpf "$out/study.tar" || fail "untar as uid $uid"
  for copy in cp rsync tar; do
    diff -r "$study" "$out/$copy" || fail "the bytes that $copy copied as uid $uid"
    diff <(attributes "$study") <(attributes "$out/$copy") >"$WORK/said" ||
      fail "the attributes that $copy copied as uid $uid: $(head -n 5 "$WORK/said")"
    # Who is not root cannot give files away: everything else is as it was.
    if [[ $uid == 0 ]]; then
      diff <(access "$study") <(access "$out/$copy") >"$WORK/said" ||
        fail "owners, modes and lists that $copy copied: $(head -n 5 "$WORK/said")"
    else
      diff <(access "$study" | grep -v '^# owner\|^# group' | sed 's/ [0-9]*:[0-9]*$//') \
        <(access "$out/$copy" | grep -v '^# owner\|^# group' | sed 's/ [0-9]*:[0-9]*$//') >"$WORK/said" ||
        fail "modes and lists that $copy copied as uid $uid: $(head -n 5 "$WORK/said")"
    fi
  done
done

# And back: a restore of a study's images by root gives the same study.
rm -r "$MNT"/archive/pacs/*
wait_for 10 "the study's folder to go" test ! -e "$study"
cp -a "$WORK/out/0/cp" "$MNT/archive/pacs/restored" || fail "cp -a back into the archive"
same "images after the restore" 4 "$(find "$MNT/patients" -type f | wc -l)"
rsync -aAX "$WORK/out/0/rsync/" "$MNT/archive/pacs/again/" || fail "rsync -AX back into the archive"
