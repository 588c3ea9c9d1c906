#!/usr/bin/env bash
# Emergency access lets a user read what his groups do not, by every name, for as long as it lasts;
# nobody else, and nothing of it stays. It is on record, and those whom the configuration names take
# it for themselves.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

games=$(getent group games | cut -d : -f 3)
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
doctor() { as 60002 "$@"; }
other() { as 60003 "$@"; }
stranger() { as 60004 "$@"; }
night() { setpriv --reuid 60005 --regid 60005 --groups "$games" "$@"; }
emergency() { "$LEADGLASS" emergency "$@"; }
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)'"$1"')'; }
id_of() { member '["emergencies"][0]["id"]'; }

printf 'default_group = "audio"\n[emergency]\ngroups = ["games"]\nlongest = "2h"\n' >"$WORK/rules.toml"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
install -d -m 755 -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/ct" --instances 2 --size 64 --modality CT --seed 2
gen_study "$WORK/mr" --instances 2 --size 64 --modality MR --seed 1
as 60010 cp -r "$WORK/ct" "$WORK/mr" "$MNT/archive/pacs"
image=$(find "$MNT/archive/pacs/ct" -name 00001.dcm)
view=$(find "$MNT/patients" -samefile "$image")
series=$(dirname "$view") study=$(dirname "$(dirname "$view")")
patient=$(dirname "$study")
id=$(getfattr --absolute-names --only-values -n user.dicom.PatientID "$image")
uid=$(getfattr --absolute-names --only-values -n user.dicom.StudyInstanceUID "$image")
before=$(stat -c '%a %g' "$study" "$series" "$view")

closed_to() {
  same "what $1 lists" "" "$("$1" ls "$MNT/patients")"
  if "$1" ls "$patient" >/dev/null 2>"$WORK/said"; then fail "$1 finds the patient"; fi
  grep -q "No such file or directory" "$WORK/said" || fail "$1 is told of the patient: $(cat "$WORK/said")"
  refused "$1" cat "$view" >/dev/null
  refused "$1" cat "$image" >/dev/null
}
open_to() {
  same "what $1 lists" "$(basename "$patient")" "$("$1" ls "$MNT/patients")"
  same "the studies of the patient" "$(basename "$study")" "$("$1" ls "$patient")"
  "$1" ls -l "$study" "$series" >/dev/null || fail "$1 cannot list"
  "$1" cat "$view" | cmp - "$image" || fail "$1 reads another image in the view"
  "$1" cat "$image" | cmp - "$view" || fail "$1 reads another image in the archive"
  refused "$1" touch "$image"
  refused "$1" truncate -s 0 "$image"
  refused "$1" cat "$MNT"/archive/pacs/mr/*/*/*/00001.dcm >/dev/null
}

closed_to doctor
refused emergency begin "$MNT" --patient "$id" --reason 'to whom?' --for 30m
refused emergency begin "$MNT" --patient "$id" --user 60002 --for 30m
refused emergency begin "$MNT" --patient "$id" --user 60002 --reason 'too long' --for 3h
refused emergency begin "$MNT" --patient "$id" --user 60002 --reason 'too short' --for 30s
refused emergency begin "$MNT" --patient nobody --user 60002 --reason 'whom?' --for 30m
refused emergency begin "$MNT" --patient "$id" --user no-such-user --reason 'who?' --for 30m
# One that ends by itself while all this goes on.
emergency begin "$MNT" --patient "$id" --user 60003 --reason 'a short one' --for 1m >/dev/null
started=$SECONDS

grant=$(emergency begin "$MNT" --patient "$id" --user 60002 --reason 'unconscious' --for 30m --json | id_of)
open_to doctor
closed_to stranger
listed=$(emergency list "$MNT" | grep -F "$grant")
[[ $listed == *60002*"patient $id"*"by root(0): unconscious" ]] || fail "emergency list: $listed"

# What is open stays open; what stands in the study finds nothing there any more.
mkfifo "$WORK/go"
chmod 644 "$WORK/go"
cat >"$WORK/reader.sh" <<'END'
exec 3<"$1"
cd "$2"
echo ready >&4
read -r _ <"$3"
cat <&3 | cmp - "$4" && echo "what was open reads"
cat 00002.dcm >/dev/null 2>&1 || echo "what was not open does not"
END
cp "$image" "$WORK/image"
chmod 644 "$WORK/image"
: >"$WORK/ready"
doctor bash "$WORK/reader.sh" "$view" "$series" "$WORK/go" "$WORK/image" >"$WORK/reader" 4>"$WORK/ready" &
reader=$!
wait_for 10 "the reader" test -s "$WORK/ready"
emergency end "$MNT" "$grant" >/dev/null
closed_to doctor
echo go >"$WORK/go"
wait "$reader" || true
same "the reader" "what was open reads
what was not open does not" "$(cat "$WORK/reader")"

# A study of it; over a remount.
grant=$(emergency begin "$study" --user 60002 --reason 'by its folder' --for 30m --json | id_of)
open_to doctor
remount
open_to doctor
same "what it is of" "$uid" "$(emergency list "$MNT" --json | member '["emergencies"]' | grep -o "$uid" | head -n 1)"
# While it lasts nobody works out from it what the study is to be.
refused chmod 770 "$study"
refused setfacl -m u:60009:r-x "$study"
emergency end "$MNT" "$grant" >/dev/null
closed_to doctor
same "what the study shows afterwards" "$before" "$(stat -c '%a %g' "$study" "$series" "$view")"
if getfacl -np "$study" | holds 60002; then fail "the user stands in the study's list"; fi

# Those whom the configuration names, for themselves alone, and not by trying names.
refused stranger "$LEADGLASS" emergency begin "$MNT" --patient "$id" --reason 'curious' --for 10m
refused stranger "$LEADGLASS" emergency list "$MNT"
refused night "$LEADGLASS" emergency begin "$MNT" --patient "$id" --user 60004 --reason 'a friend' --for 10m
refused night "$LEADGLASS" emergency begin "$MNT" "/patients/$(basename "$patient")" --reason 'by name' --for 10m
refused night "$LEADGLASS" status "$MNT"
refused night "$LEADGLASS" hold list "$MNT"
closed_to night
own=$(night "$LEADGLASS" emergency begin "$MNT" --patient "$id" --reason 'on call' --for 10m --json | id_of)
open_to night
same "what he is told of" "$own" "$(night "$LEADGLASS" emergency list "$MNT" --json | id_of)"
same "how many he is told of" 1 "$(night "$LEADGLASS" emergency list "$MNT" | wc -l)"
night "$LEADGLASS" emergency end "$MNT" "$own" >/dev/null
closed_to night

wait_for $((started + 75 - SECONDS)) "the end of the short one" bash -c "[[ -z \$('$LEADGLASS' emergency list '$MNT') ]]"
closed_to other

audit() { "$LEADGLASS" audit "$MNT" --patient "$id" --json; }
# events TEXT...: how many records have all of them.
events() {
  local records
  records=$(audit)
  for text in "$@"; do records=$(grep -F -- "$text" <<<"$records" || true); done
  grep -c . <<<"$records" || true
}
same "beginnings on record" 4 "$(events '"action":"emergency"' '"result":"ok"')"
same "ends on record" 4 "$(events '"action":"emergency-end"')"
same "one that ended by itself" 1 "$(events '"action":"emergency-end"' 'its time is over')"
same "who gave it, to whom and why" 1 "$(events '"action":"emergency"' '"uid":0,' 'uid 60002 until 20' ': unconscious')"
same "who took it" 1 "$(events '"action":"emergency"' '"uid":60005,' 'on call' '"result":"ok"')"
[[ $(events '"action":"read"' '"uid":60002,') -gt 0 ]] || fail "what was read is not on record"
[[ $(events '"action":"emergency"' '"uid":60005,' '"result":"EACCES"') -gt 0 ]] || fail "what was refused is not on record"
if audit | holds -F "${patient##*/}"; then fail "a patient's name is on record"; fi
