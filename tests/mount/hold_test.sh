#!/usr/bin/env bash
# Of a study under a legal hold every name and byte stays, whatever program is set on it and whoever
# runs it; each refusal is on record with the reason; and what is not held goes as ever.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

pacs() { setpriv --reuid 60010 --regid 60010 --clear-groups "$@"; }
hold() { "$LEADGLASS" hold "$@"; }
refusals() { "$LEADGLASS" audit "$MNT" --refused --json; }
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)'"$1"')'; }

install -d -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/held" --instances 3 --size 64 --modality CT --seed 2
gen_study "$WORK/free" --instances 3 --size 64 --modality MR --seed 1
cp -r "$WORK/held" "$WORK/free" "$MNT/archive/pacs"
chown -R 60010:60010 "$MNT/archive/pacs"
image=$(find "$MNT/archive/pacs/held" -name 00001.dcm)
folder=$(dirname "$image")
free_image=$(find "$MNT/archive/pacs/free" -name 00001.dcm)
study=$(dirname "$(dirname "$(find "$MNT/patients" -samefile "$image")")")
uid=$(getfattr --absolute-names --only-values -n user.dicom.StudyInstanceUID "$image")

# Open before the hold, and written to after it.
cat >"$WORK/writer.py" <<'PYTHON'
import os, sys, time

def tried(what, call):
    try:
        call()
    except OSError as error:
        print(what, error.strerror, flush=True)
    else:
        print(what, "done", flush=True)

image = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
sys.stdin.readline()
tried("pwrite", lambda: (os.pwrite(image, b"x" * 512, 200), os.fsync(image)))
end = os.fstat(image).st_size
tried("append", lambda: (os.pwrite(image, b"y" * 9000, end), os.fsync(image)))
tried("ftruncate", lambda: os.ftruncate(image, 10))
tried("fallocate", lambda: os.posix_fallocate(image, 0, 1 << 20))
tried("close", lambda: os.close(image))
PYTHON
# Another python3 on the way may be root's own.
coproc WRITER { pacs /usr/bin/python3 "$WORK/writer.py" "$image"; }
read -r said <&"${WRITER[0]}"
same "the writer" open "$said"

# Wrong orders change nothing.
refused pacs "$LEADGLASS" hold add "$MNT" "$uid" --reason mine
refused hold add "$MNT" "$uid"
refused hold add "$MNT" "$uid" --reason ''
refused hold add "$WORK" --reason 'on no mount'
code=0
hold add "$MNT" 1.2.3.4.5 --reason 'no such study' 2>"$WORK/said" || code=$?
same "exit code for an unknown study" 4 "$code"
same "holds before the first" "" "$(hold list "$MNT")"

cp -a "$MNT/archive/pacs/held" "$WORK/before"
first=$(hold add "$study" --reason 'Smith v. Hospital' --json | member '["holds"][0]["id"]')
second=$(hold add "$MNT" "$uid" --reason 'Doe v. Hospital' --json | member '["holds"][0]["id"]')
listed=$(hold list "$MNT" | grep -F "$first")
[[ $listed == *"$uid"*"by root(0): Smith v. Hospital" ]] || fail "hold list: $listed"
same "held studies in status" 1 "$("$LEADGLASS" status "$MNT" --json | member '["held_studies"]')"

# shellcheck disable=SC2153 # coproc sets it
writer_pid=$WRITER_PID
echo go >&"${WRITER[1]}"
cat <&"${WRITER[0]}" >"$WORK/writer"
wait "$writer_pid" || fail "the writer"
grep -qE '^pwrite (Operation not permitted|Input/output error)$' "$WORK/writer" || fail "a write through an open file: $(cat "$WORK/writer")"
grep -qE '^append (Operation not permitted|Input/output error)$' "$WORK/writer" || fail "an append to an open file: $(cat "$WORK/writer")"
grep -q '^ftruncate Operation not permitted$' "$WORK/writer" || fail "ftruncate of an open file: $(cat "$WORK/writer")"
grep -q '^fallocate Operation not permitted$' "$WORK/writer" || fail "fallocate of an open file: $(cat "$WORK/writer")"
wait_for 10 "the kernel to drop pages that were refused" cmp "$image" "${image/"$MNT/archive/pacs"/$WORK}"

# Every program that destroys, as the PACS and as root.
for who in pacs ""; do
  refused $who rm "$image"
  refused $who rm -rf "$MNT/archive/pacs/held"
  refused $who mv "$image" "$folder/renamed.dcm"
  refused $who mv "$image" "$MNT/archive/pacs/away.dcm"
  refused $who mv -f "$free_image" "$image"
  refused $who cp "$free_image" "$image"
  refused $who cp --remove-destination "$free_image" "$image"
  refused $who truncate -s 0 "$image"
  refused $who dd if=/dev/zero of="$image" bs=512 count=1 conv=notrunc
  refused $who fallocate -p -o 0 -l 4096 "$image"
  refused $who sed -i s/a/b/ "$image"
  refused $who shred -u "$image"
  # shellcheck disable=SC2016 # sh expands it
  refused $who sh -c 'echo more >>"$1"' - "$image"
  refused $who rsync -r --delete "$WORK/free/" "$MNT/archive/pacs/held/"
  refused $who rsync --inplace --ignore-times "$free_image" "$image"
  refused $who /usr/bin/python3 -c 'import sys, os; os.rename(sys.argv[1], sys.argv[2])' "$free_image" "$image"
done
refused rm "$study"/*/*.dcm
refused rm -rf "$study"
checksums "$WORK/before" >"$WORK/sums"
stays() { (cd "$MNT/archive/pacs/held" && sha256sum --quiet -c "$WORK/sums") >&2 || fail "a byte or a name of the held study has changed: $1"; }
stays "by programs"
in_view() { find "$study" -type f -exec sha256sum {} + | cut -d ' ' -f 1 | sort -u >"$WORK/view" && cut -d ' ' -f 1 "$WORK/sums" | sort -u | comm -23 - "$WORK/view"; }
same "images that left the view" "" "$(in_view)"
# What sed and rsync made beside an image, and could not put in its place, came into the study.
[[ $(find "$folder" -name 'sed*' | wc -l) -gt 0 ]] || fail "a copy that came into the study has gone"

# What destroys nothing goes on; a further name is held, too.
pacs ln "$image" "$MNT/archive/pacs/second.dcm"
refused rm "$MNT/archive/pacs/second.dcm"
pacs touch "$image"
pacs chmod 600 "$image"
chgrp 60011 "$study"
pacs cat "$image" >/dev/null
# An image that comes is taken in, also as rsync brings it, and held.
gen_study "$WORK/more" --instances 5 --size 64 --modality CT --seed 2
pacs rsync -r --ignore-existing "$WORK/more/" "$MNT/archive/pacs/held/"
refused rm "$folder/00005.dcm"
checksums "$WORK/more" >"$WORK/sums"
stays "after some came"
same "images that are not in the view" "" "$(in_view)"

# On record, with the reason.
refusals >"$WORK/refusals"
# recorded TEXT...: whether a record has all of them.
recorded() {
  local records
  records=$(cat "$WORK/refusals")
  for text in "$@"; do records=$(grep -F -- "$text" <<<"$records") || return 1; done
}
for action in remove rename write; do
  recorded "\"action\":\"$action\"" '"result":"EPERM"' '"uid":60010,' "\"study\":\"$uid\"" "held ($first): Smith v. Hospital" ||
    fail "no record of a refused $action of the PACS"
  recorded "\"action\":\"$action\"" '"result":"EPERM"' '"uid":0,' "held ($first)" || fail "no record of a refused $action of root"
done
same "holds on record" 2 "$("$LEADGLASS" audit "$MNT" --study "$uid" | grep -c ' hold  ok ')"

# A remount and a new index know of it; off the mount, too.
remount
refused rm "$image"
unmount_vault
hold_offline() { hold "$@" --passphrase-file "$WORK/passphrase"; }
same "holds of a vault that is not mounted" 2 "$(hold_offline list "$VAULT" | wc -l)"
"$LEADGLASS" reindex "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null
refused hold_offline remove "$VAULT" "$uid" --reason 'which?'
hold_offline remove "$VAULT" "$uid" --id "$first" --reason settled >/dev/null
mount_vault
refused rm "$image"
hold remove "$MNT" "${image#"$MNT"}" --reason settled | holds -F "$second" || fail "hold remove by path"
same "holds after the last" "" "$(hold list "$MNT")"
same "releases on record" 2 "$("$LEADGLASS" audit "$MNT" --study "$uid" | grep -c ' release  ok ')"
rm -r "$MNT/archive/pacs/held"
rm "$MNT/archive/pacs/second.dcm"
[[ ! -e $study ]] || fail "a study that is held no more did not go"
