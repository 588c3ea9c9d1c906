#!/usr/bin/env bash
# What lands in /incoming or /archive stands in /patients: names, bytes, attributes, refusals.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

gen_study "$WORK/source" --patients 3 --studies 2 --series 2 --instances 3 --size 64 --list >"$WORK/list"
cd "$MNT"

# Filed at close: visible when cp returns, with the same bytes, under readable names.
cp -r "$WORK/source/LG001-00001" incoming/
cp -r "$WORK/source/LG001-00002" archive/
same "two patients" 2 "$(find patients -mindepth 1 -maxdepth 1 | wc -l)"
[[ -d "patients/Søndergård Bjørn Emil [LG001-00001]" ]] || fail "the first patient's folder"
[[ -d "patients/Ōyama Haruka [LG001-00002]" ]] || fail "the second patient's folder"
same "images in the view" 24 "$(find patients -type f | wc -l)"
same "images of LG001-00001" 12 "$(find patients/*'[LG001-00001]' -type f | wc -l)"
find patients -mindepth 2 -maxdepth 2 -printf '%f\n' | holds -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} CT .* \[ACC[0-9]{10}\]$' && fail "a study's name"
find patients -mindepth 3 -maxdepth 3 -printf '%f\n' | holds -vE '^000[12] CT Serie [12] weich$' && fail "a series' name"
find patients -type f -printf '%f\n' | holds -vE '^000[123]\.dcm$' && fail "an image's name"
(cd "$WORK/source" && find LG001-0000[12] -type f -print0 | xargs -0 sha256sum | cut -c 1-64 | sort) >"$WORK/sums"
find patients -type f -print0 | xargs -0 sha256sum | cut -c 1-64 | sort | diff "$WORK/sums" - >&2 || fail "other bytes in the view"

# One file, two names.
in_archive=archive/LG001-00002/1/1/00001.dcm
in_view=$(find patients -samefile "$in_archive")
[[ -n $in_view ]] || fail "the archive's file and the view's are not the same"
same "both names count" 2 "$(stat -c %h "$in_archive")"
same "name as an attribute" 'Ōyama^Haruka=大山^遥' "$(getfattr --only-values -n user.dicom.PatientName "$in_archive")"
getfattr -d "$in_view" 2>/dev/null | holds '^user.dicom.Modality="CT"' || fail "getfattr -d shows no header"
setfattr -n user.dicom.Modality -v CT "$in_archive" || fail "setting what is there already"
refused setfattr -n user.dicom.Modality -v MR "$in_archive"

# In the view bytes and names are read-only.
refused bash -c "echo x >>'$in_view'"
refused truncate -s 0 "$in_view"
refused mv "$in_view" "$in_view.moved"
refused touch patients/new
refused mkdir "patients/new folder"
refused rm "$in_view" # it lives by its archive name
rm "$in_archive"
# What the kernel knows of a view may be a second old.
settle() { sleep 1.2; }
settle
[[ ! -e $in_view ]] || fail "the image stayed in the view after the archive let go of it"

if [[ -n ${LEADGLASS_LONG:-} ]]; then
  # A minute after its last close the name in /incoming goes, and the view's name is all there is.
  incoming_is_left() { [[ -z $(find "$MNT/incoming" -type f) ]]; }
  wait_for 90 "/incoming to be left" incoming_is_left
  from_incoming=$(find patients/*'[LG001-00001]' -type f | sort | head -n 1)
  rm "$from_incoming" || fail "what came through /incoming can be deleted in the view"
  settle
  [[ ! -e $from_incoming ]] || fail "deleted, and still there"
fi

# A name under /archive that is rewritten changes its place in the view.
cp "$WORK/source/LG001-00003/1/1/00001.dcm" archive/LG001-00002/1/1/00002.dcm
settle
[[ -n $(find patients/*'[LG001-00003]' -type f) ]] || fail "overwritten by another patient's image: not moved"
same "one image less" 4 "$(find patients/*'[LG001-00002]'/*/0001* -type f | wc -l)"

# What is no DICOM stays where it was written, byte for byte, and status says why.
head -c 5000 /dev/urandom >"$WORK/noise"
cp "$WORK/noise" incoming/noise.dcm
cmp "$WORK/noise" incoming/noise.dcm || fail "noise differs"
head -c 200 "$WORK/source/LG001-00003/1/1/00002.dcm" >incoming/cut.dcm
same "cut file" 200 "$(stat -c %s incoming/cut.dcm)"
"$LEADGLASS" status "$MNT" >"$WORK/status" || fail "status"
grep -q noise.dcm "$WORK/status" || fail "status does not list noise.dcm"
"$LEADGLASS" status "$MNT" --json | python3 -c 'import json, sys; json.load(sys.stdin)' || fail "status --json"

# Dot-files are left alone until they are renamed, as rsync does.
cp "$WORK/source/LG001-00003/1/2/00001.dcm" incoming/.part
settle
before=$(find patients -type f | wc -l)
mv incoming/.part incoming/whole.dcm
one_more() { (($(find patients -type f | wc -l) == before + 1)); }
wait_for 5 "the file to be filed after its rename" one_more

# The same SOP instance with other bytes: both stay, one of them marked.
image=$WORK/source/LG001-00003/1/2/00001.dcm
cp "$image" "$WORK/other.dcm"
printf '\377' | dd of="$WORK/other.dcm" bs=1 seek=$(($(stat -c %s "$image") - 1)) conv=notrunc status=none
printf '\1' | dd of="$WORK/other.dcm" bs=1 seek=$(($(stat -c %s "$image") - 2)) conv=notrunc status=none
before=$(find patients -type f | wc -l)
cp "$WORK/other.dcm" archive/other.dcm
settle
same "both stay" $((before + 1)) "$(find patients -type f | wc -l)"
newest=$(find patients -samefile archive/other.dcm)
same "the newest has the plain name" 0001.dcm "$(basename "$newest")"

(find patients | LC_ALL=C sort) >"$WORK/views"
cd /
remount
(cd "$MNT" && find patients | LC_ALL=C sort) | diff "$WORK/views" - >&2 || fail "other views after remounting"
