#!/usr/bin/env bash
# Filing rules give studies their groups; members see them, others do not, and changes hold at once.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

# Groups that every Debian has; nobody is in them but by number.
read -r audio video games < <(for g in audio video games; do getent group $g | cut -d : -f 3; done | xargs)
as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }
radiologist() { as 60001 "$audio" "$@"; }
cardiologist() { as 60002 "$video" "$@"; }
oncologist() { as 60003 "$games" "$@"; }
stranger() { as 60004 60004 "$@"; }

cat >"$WORK/rules.toml" <<'END'
default_group = "audio"
[[rule]]
name = "catheter lab"
group = "video"
further = ["games"]
where.Modality = "MR"
where.folder = "/archive/pacs"
END

# Refusals leave what is in force alone.
printf '[[rule]]\ngroup = "no-such-group-here"\n' >"$WORK/unknown.toml"
printf 'default_group = 5\n' >"$WORK/wrong.toml"
code=0
"$LEADGLASS" config set "$MNT" "$WORK/unknown.toml" 2>"$WORK/said" || code=$?
same "exit code for an unknown group" 4 "$code"
grep -q "no-such-group-here" "$WORK/said" || fail "the message does not name the group"
refused "$LEADGLASS" config check "$MNT" "$WORK/wrong.toml"
refused stranger "$LEADGLASS" config show "$MNT"
same "configuration before the first" "" "$("$LEADGLASS" config show "$MNT" 2>/dev/null)"
"$LEADGLASS" config check "$MNT" "$WORK/rules.toml" | holds "video" || fail "config check lists no groups"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
"$LEADGLASS" config show "$MNT" | diff "$WORK/rules.toml" - >&2 || fail "config show"

install -d -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/mr" --instances 2 --size 64 --modality MR --seed 1
gen_study "$WORK/ct" --instances 2 --size 64 --modality CT --seed 2
# The dry run says what filing will do.
"$LEADGLASS" rules test "$MNT" --folder /archive/pacs/x "$WORK"/mr/*/*/*/00001.dcm | holds "'catheter lab' (rule 1) wins; group video, also games" ||
  fail "rules test on an MR image"
"$LEADGLASS" rules test "$MNT" "$WORK"/mr/*/*/*/00001.dcm | holds "no rule matches; group audio" || fail "rules test elsewhere"
# Also by what is not read of every header.
printf '[[rule]]\nname = "sixteen bits"\ngroup = "video"\nwhere.HighBit = 15\nwhere.RescaleSlope = { from = 1, to = 2 }\n' >"$WORK/deep.toml"
"$LEADGLASS" rules test "$MNT" --config "$WORK/deep.toml" "$WORK"/mr/*/*/*/00001.dcm | holds "'sixteen bits' (rule 1) wins" || fail "rules test by HighBit"

# A PACS with a umask of its own, as every PACS.
store() {
  (umask 077 && as 60010 60010 mkdir "$MNT/archive/pacs/$2" && as 60010 60010 cp -r "$1"/. "$MNT/archive/pacs/$2")
}
store "$WORK/mr" mr
store "$WORK/ct" ct
mr=$(echo "$MNT"/patients/*/*' MR '*)
ct=$(echo "$MNT"/patients/*/*' CT '*)
an_image() { find "$1" -type f | head -n 1; }
mr_image=$(an_image "$mr") ct_image=$(an_image "$ct")
same "the study's group and mode" "$video 750" "$(stat -c '%g %a' "$mr")"
same "an image's" "$video 640 60010" "$(stat -c '%g %a %u' "$mr_image")"
same "of the other study" "$audio 750" "$(stat -c '%g %a' "$ct")"

reads() { "$1" cat "$2" >/dev/null 2>&1; }
reads cardiologist "$mr_image" || fail "a member of the owning group"
reads oncologist "$mr_image" || fail "a member of a further group"
reads radiologist "$ct_image" || fail "a member of the default group"
for who in radiologist stranger; do if reads $who "$mr_image"; then fail "$who read the catheter lab's"; fi; done
for who in cardiologist oncologist stranger; do if reads $who "$ct_image"; then fail "$who read the radiologists'"; fi; done
refused oncologist ls "$ct"
refused cardiologist rm "$mr_image"
getfacl -n -c "$mr_image" 2>/dev/null | holds "^group:$games:r--" || fail "getfacl shows no further group"

# The whole study at once, files that were looked at included.
archived=$(an_image "$MNT/archive/pacs/mr")
stat "$archived" >/dev/null # the kernel keeps it
chgrp "$audio" "$mr"
archived_has_group() { [[ $(stat -c %g "$archived") == "$audio" ]]; }
wait_for 5 "the archive's name of the image to have the new group" archived_has_group
if reads cardiologist "$mr_image"; then fail "the old group still reads"; fi
reads radiologist "$mr_image" || fail "the new group does not read"
setfacl -b "$mr"
if reads oncologist "$mr_image"; then fail "the further group still reads"; fi
same "find -group" "$(find "$mr" | wc -l)" "$(find "$mr" -group "$audio" | wc -l)"
# An image by itself: the call succeeds, nothing opens.
chmod 777 "$MNT/archive/pacs/mr"/*/*/*/00001.dcm
chgrp "$video" "$MNT/archive/pacs/mr"/*/*/*/00001.dcm
sleep 1.2 # what the kernel knows of an image's mode may be a second old
same "a single image" "$audio 640" "$(stat -c '%g %a' "$mr_image")"

# Patients are there for those who may see one of their studies, and for nobody else: not in the
# listing, not by their exact name, not when somebody else has just looked there.
listed() { "$1" ls "$MNT/patients"; }
missing() {
  local said
  said=$("$@" 2>&1 >/dev/null || true)
  [[ $said == *"No such file or directory"* ]]
}
chgrp "$video" "$mr"
mr_patient=${mr%/*} ct_patient=${ct%/*}
same "what a cardiologist sees" "$(basename "$mr_patient")" "$(listed cardiologist)"
same "what a radiologist sees" "$(basename "$ct_patient")" "$(listed radiologist)"
same "what a stranger sees" "" "$(listed stranger)"
same "what root sees" 2 "$(find "$MNT/patients" -mindepth 1 -maxdepth 1 | wc -l)"
for _ in 1 2 3; do
  radiologist cat "$ct_image" >/dev/null || fail "the radiologist's own study"
  missing cardiologist stat "$ct_patient" || fail "the patient's folder is found by its name"
  missing cardiologist ls "$ct" || fail "the study's"
  missing cardiologist cat "$ct_image" || fail "the image's"
  missing stranger stat "$ct_image" || fail "the image's, by a stranger"
  radiologist stat "$ct_image" >/dev/null || fail "the radiologist's, after somebody was refused"
done
# Supplementary groups count, and a thread's are its own.
setpriv --reuid 60005 --regid 60005 --groups "$games,$audio" cat "$ct_image" >/dev/null ||
  fail "a member by a supplementary group"
same "what he sees" "$(basename "$ct_patient")" "$(setpriv --reuid 60005 --regid 60005 --groups "$games,$audio" ls "$MNT/patients")"
# A patient with two studies is seen by the one, with that one.
gen_study "$WORK/two" --studies 2 --instances 1 --size 64 --modality CR --seed 3
store "$WORK/two" two
crs=("$MNT"/patients/*/*' CR '*)
same "studies of the third patient" 2 ${#crs[@]}
setfacl -m "u:60004:rx" "${crs[1]}"
same "one who is named" "$(basename "${crs[1]%/*}")" "$(listed stranger)"
same "with the study that names him" "$(basename "${crs[1]}")" "$(stranger ls "${crs[1]%/*}")"
missing stranger stat "${crs[0]}" || fail "the other study is found by its name"
setfacl -x "u:60004" "${crs[1]}"
same "and no more" "" "$(listed stranger)"
# What is open stays open, by whoever has it, as on any file system.
exec 7<"$ct_image"
stranger cat <&7 | cmp - "$ct_image" || fail "an open file that was handed on"
exec 7<&-
# A folder that was handed on shows what its reader may see.
exec 8<"$MNT/patients"
same "the handed-on folder of patients" "" "$(stranger sh -c 'ls /proc/self/fd/8/' 2>&1)"
exec 8<&-

# Rules that changed, for studies that are there: shown, then made. Those that a person changed stay.
printf 'default_group = "games"\n' >"$WORK/other.toml"
"$LEADGLASS" config set "$MNT" "$WORK/other.toml" >/dev/null
"$LEADGLASS" rules apply "$MNT" | holds "^2 studies would change" || fail "rules apply shows: $("$LEADGLASS" rules apply "$MNT")"
same "while it is only shown" "$audio" "$(stat -c %g "${crs[0]}")"
"$LEADGLASS" rules apply "$MNT" --yes | holds "^2 studies changed" || fail "rules apply"
same "the study that nobody touched" "$games" "$(stat -c %g "${crs[0]}")"
same "one that a person changed" "$audio" "$(stat -c %g "${crs[1]}")"
same "and another" "$video" "$(stat -c %g "$mr")"
chgrp "$audio" "$ct"
# Images that were filed before a rule asked for it are read for it.
"$LEADGLASS" config set "$MNT" "$WORK/deep.toml" >/dev/null
"$LEADGLASS" rules apply "$MNT" --yes | holds "(sixteen bits)" || fail "rules apply by HighBit"
same "the study whose images were read again" "$video" "$(stat -c %g "${crs[0]}")"
"$LEADGLASS" config set "$MNT" "$WORK/other.toml" >/dev/null
"$LEADGLASS" rules apply "$MNT" --yes | holds "^1 studies changed" || fail "rules apply, back again"
"$LEADGLASS" audit "$MNT" | holds "rules applied: gid $games" || fail "it is not on record"

# root operates the vault without reading it.
{ echo 'root = "none"' && cat "$WORK/rules.toml"; } >"$WORK/none.toml"
"$LEADGLASS" config set "$MNT" "$WORK/none.toml" >/dev/null
same "what root sees now" "" "$(ls "$MNT/patients")"
missing stat "$ct_image" || fail "root finds a patient by name"
refused cat "$MNT"/archive/pacs/ct/*/*/*/00001.dcm
refused getfattr -n user.dicom.PatientName "$MNT"/archive/pacs/ct/*/*/*/00001.dcm
same "root lists what the PACS wrote" 2 "$(find "$MNT/archive/pacs/ct" -type f | wc -l)"
chmod 755 "$MNT/patients" || fail "root changes a mode"
reads radiologist "$ct_image" || fail "a member reads on"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
cat "$ct_image" >/dev/null || fail "root reads again"
chgrp "$audio" "$mr"

remount
if reads cardiologist "$mr_image"; then fail "the old group reads after a remount"; fi
reads radiologist "$mr_image" || fail "the new group after a remount"
"$LEADGLASS" config show "$MNT" | diff "$WORK/rules.toml" - >&2 || fail "config show after a remount"
unmount_vault
"$LEADGLASS" config show "$VAULT" --passphrase-file "$WORK/passphrase" | diff "$WORK/rules.toml" - >&2 || fail "config show of a vault"
same "version" 7 "$("$LEADGLASS" config set "$VAULT" "$WORK/rules.toml" --passphrase-file "$WORK/passphrase" --json | tr -dc 0-9)"
mount_vault
