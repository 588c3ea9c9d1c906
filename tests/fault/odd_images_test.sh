#!/usr/bin/env bash
# Images that say too little or contradict each other: none is refused or lost, none stands under a
# stranger, and each has its place.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

python3 "$SOURCE_DIR/tests/fault/odd_images.py" "$WORK/odd"
cp -r "$WORK/odd" "$MNT/archive/odd"
remount
diff -r "$WORK/odd" "$MNT/archive/odd" >&2 || fail "a file differs"
cd "$MNT/patients"
# view FILE: where it stands in the views.
view() { find . -samefile "$MNT/archive/odd/$1"; }

# Half a study without UIDs: all ten stand in the view, under the one patient.
for number in 01 02 03 04 05 06 07 08 09 10; do
  [[ $(view "half/$number.dcm") == *'[ODD-1]'* ]] || fail "half/$number.dcm is not under its patient"
done
same "folders of that patient" 1 "$(find . -maxdepth 1 -name '*ODD-1*' | wc -l)"
with=$(dirname "$(view half/01.dcm)")
without=$(dirname "$(view half/02.dcm)")
same "those with UIDs are together" "$with" "$(dirname "$(view half/09.dcm)")"
[[ $with != "$without" ]] || fail "those without UIDs stand in a study they do not name"

# Two images with one UID: both stay, with their own bytes; one is marked.
[[ -n $(view twins/one.dcm) && -n $(view twins/two.dcm) ]] || fail "a twin is missing"
[[ $(view twins/one.dcm) != "$(view twins/two.dcm)" ]] || fail "the twins share a name"
same "the newest has the plain name" 0001.dcm "$(basename "$(view twins/two.dcm)")"

# No patient id: strangers are apart, what belongs to one study is together.
for who in Stra Fore Unkn; do
  same "images of $who" "$(dirname "$(view "nobody/$who-1.dcm")")" "$(dirname "$(view "nobody/$who-2.dcm")")"
done
patient_of() { view "nobody/$1-1.dcm" | cut -d / -f 2; }
for pair in 'Stra Fore' 'Stra Unkn' 'Fore Unkn'; do
  [[ $(patient_of "${pair% *}") != "$(patient_of "${pair#* }")" ]] || fail "strangers in one folder: $pair"
done
"$LEADGLASS" status "$MNT" >/dev/null || fail "status"
