#!/usr/bin/env bash
# A few weeks in a hospital, by its users with their own logins and ordinary tools over one mount: a radiologist, a
# cardiologist, an administrator who operates and does not read, a stranger; then a legal hold, a resignation, an
# emergency at night, and the auditor's question who saw this patient.
# shellcheck disable=SC2016 # what stands in single quotes, other users' shells expand
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

# Users and groups of our own, seen by nobody else: in a mount namespace of its own, as the mount is.
if [[ ${1:-} != inside ]]; then
  unmount_vault
  exec unshare --mount --propagation slave bash "$0" inside
fi
cat /etc/passwd - >"$WORK/passwd" <<'END'
rosa:x:60101:60101:Rosa, radiologist:/:/bin/sh
carl:x:60102:60102:Carl, cardiologist:/:/bin/sh
nina:x:60103:60103:Nina, night shift:/:/bin/sh
sam:x:60104:60104:Sam, a stranger:/:/bin/sh
pacs:x:60110:60110:the PACS:/:/bin/sh
END
cat /etc/group - >"$WORK/group" <<'END'
rosa:x:60101:
carl:x:60102:
nina:x:60103:
sam:x:60104:
pacs:x:60110:
radiology:x:60201:rosa
cardiology:x:60202:carl
night:x:60203:nina
END
chmod 644 "$WORK/passwd" "$WORK/group"
trap 'umount -l "$MNT" 2>/dev/null || true' EXIT
mount --bind "$WORK/passwd" /etc/passwd
mount --bind "$WORK/group" /etc/group
# login USER COMMAND...: as after logging in, with the groups that the user has by now.
login() { setpriv --reuid "$1" --regid "$1" --init-groups "${@:2}"; }
mount_vault

# ---- The administrator sets it up, and does not read.
cat >"$WORK/hospital.toml" <<'END'
root = "none"
default_group = "radiology"
[emergency]
groups = ["night"]
longest = "1h"
[[rule]]
name = "hearts"
group = "cardiology"
where.Modality = ["MR", "XA"]
END
"$LEADGLASS" config set "$MNT" "$WORK/hospital.toml" >/dev/null
install -d -m 750 -o pacs -g pacs "$MNT/archive/pacs"
gen_study "$WORK/ct" --instances 3 --size 64 --modality CT --seed 2
gen_study "$WORK/mr" --instances 3 --size 64 --modality MR --seed 1
login pacs cp -r "$WORK/ct" "$WORK/mr" "$MNT/archive/pacs"
heart=$(login carl find "$MNT/patients" -type f | head -n 1)
of() { login carl getfattr --absolute-names --only-values -n "user.dicom.$1" "$heart"; }
id=$(of PatientID) uid=$(of StudyInstanceUID)

# ---- Everybody sees his own.
same "patients of the radiologist" 1 "$(login rosa ls "$MNT/patients" | wc -l)"
same "patients of the cardiologist" 1 "$(login carl ls "$MNT/patients" | wc -l)"
for nobody in nina sam root; do same "patients of $nobody" 0 "$(login "$nobody" ls "$MNT/patients" | wc -l)"; done
study=$(login carl find "$MNT/patients" -mindepth 2 -maxdepth 2 -type d)
[[ -n $study ]] || fail "the cardiologist finds no study"
login carl sh -c 'cp -r "$1" "$2"' - "$study" "$WORK/ready" 2>/dev/null && fail "a copy where he may not write"
install -d -m 700 -o carl -g carl "$WORK/carl"
login carl cp -r "$study" "$WORK/carl/copy" || fail "the cardiologist's copy"
same "bytes of his copy" "$(cd "$WORK/mr" && find . -type f -exec sha256sum {} + | cut -d ' ' -f 1 | sort)" \
  "$(cd "$WORK/carl/copy" && find . -type f -exec sha256sum {} + | cut -d ' ' -f 1 | sort)"
for other in rosa nina sam root; do
  refused login "$other" ls "$study"
  refused login "$other" sh -c 'cat "$1"/*/*' - "$study" >/dev/null
done
refused login root cat "$MNT"/archive/pacs/mr/*/*/*/*.dcm >/dev/null
# He operates all the same: room, health, names of what the PACS keeps, a copy of the ciphertext.
df "$MNT" >/dev/null
"$LEADGLASS" status "$MNT" >/dev/null
find "$MNT/archive" -type f >/dev/null
cp -a "$VAULT" "$WORK/ciphertext" || fail "the administrator's backup"

# ---- A lawsuit: nothing of the study can be destroyed, until it is over.
"$LEADGLASS" hold add "$MNT" "$uid" --reason 'Smith v. Hospital' >/dev/null
refused login pacs sh -c 'rm "$1"/mr/*/*/*/*.dcm' - "$MNT/archive/pacs"
refused login pacs sh -c ': >"$(find "$1"/mr -type f | head -n 1)"' - "$MNT/archive/pacs"
refused "$LEADGLASS" study shred "$MNT" "$uid" --reason 'retention is over' --yes
same "images of the held study" 3 "$(login carl find "$study" -type f | wc -l)"
"$LEADGLASS" hold remove "$MNT" "$uid" --reason 'settled' >/dev/null

# ---- The cardiologist resigns. His next login sees nothing.
sed '/^cardiology:/s/carl$//' "$WORK/group" >"$WORK/group.new"
cat "$WORK/group.new" >"$WORK/group" # the same file, for it is mounted
same "patients after the resignation" 0 "$(login carl ls "$MNT/patients" | wc -l)"
refused login carl ls "$study"
refused login carl sh -c 'cat "$1"/*/*' - "$study" >/dev/null

# ---- At night nobody of cardiology is there.
refused login sam "$LEADGLASS" emergency begin "$MNT" --patient "$id" --reason 'curious' --for 30m
login nina "$LEADGLASS" emergency begin "$MNT" --patient "$id" --reason 'chest pain, unconscious' --for 30m >/dev/null ||
  fail "the emergency at night"
login nina sh -c 'cat "$1"/*/*' - "$study" >/dev/null || fail "what the night shift reads"
grant=$(login nina "$LEADGLASS" emergency list "$MNT" --json | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
login nina "$LEADGLASS" emergency end "$MNT" "$grant" >/dev/null || fail "the end of the emergency"
refused login nina ls "$study"

# ---- Who saw this patient in the last month?
seen() { "$LEADGLASS" audit "$MNT" --patient "$id" --since 30d "$@"; }
readers() { seen --json | grep -F '"action":"read"' | grep -F '"result":"ok"' | grep -o '"user":"[a-z]*"' | sort -u | tr '\n' ' '; }
same "who read the patient's images" '"user":"carl" "user":"nina" ' "$(readers)"
refusals=$(seen --refused --json | grep -o '"user":"[a-z]*"' | sort -u | tr -d '\n')
for user in carl nina root rosa sam; do
  [[ $refusals == *"\"$user\""* ]] || fail "what $user was refused is not on record: $refusals"
done
for action in hold release emergency emergency-end store; do
  seen --json | holds -F "\"action\":\"$action\"" || fail "no '$action' on record"
done
seen | grep -F emergency | holds -F 'chest pain, unconscious' || fail "the reason of the emergency is not on record"
"$LEADGLASS" audit verify "$MNT" | holds whole || fail "the trail is not whole"
unmount_vault
