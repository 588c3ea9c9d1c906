#!/usr/bin/env bash
# Who opened, changed and removed what is on record, and the record cannot be taken away unnoticed.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }
audio=$(getent group audio | cut -d : -f 3)
radiologist() { as 60001 "$audio" "$@"; }
stranger() { as 60004 60004 "$@"; }
audit() { "$LEADGLASS" audit "$MNT" --json "$@"; }
# The sum of the counts of what matches all of the given texts.
events() {
  local records
  records=$(audit)
  for text in "$@"; do records=$(grep -F -- "$text" <<<"$records" || true); done
  grep -o '"count":[0-9]*' <<<"$records" | awk -F : '{ n += $2 } END { print n + 0 }'
}

printf 'default_group = "audio"\n' >"$WORK/rules.toml"
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
install -d -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/ct" --instances 3 --size 64 --modality CT --seed 2
as 60010 60010 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
study=$(echo "$MNT"/patients/*/*)
patient=$(basename "${study%/*}")
id=${patient##*[} id=${id%]}

# shellcheck disable=SC2016 # sh expands it
radiologist sh -c 'cat "$1"/*/*' - "$study" >/dev/null
stranger ls "$study" >/dev/null 2>&1 && fail "a stranger sees the study"
chmod 700 "$study"
chmod 750 "$study"
rm "$MNT"/archive/pacs/*/*/*/00003.dcm

same "images that the PACS stored" 3 "$(events '"action":"store"' '"uid":60010' "\"patient_id\":\"$id\"")"
same "files that the radiologist read" 3 "$(events '"action":"read"' '"uid":60001' '"program":"cat"' "\"patient_id\":\"$id\"")"
same "what a stranger was refused" "$(audit --refused | wc -l)" "$(audit --user 60004 | wc -l)"
[[ $(audit --refused --user 60004 | wc -l) -gt 0 ]] || fail "no refusal on record"
same "changes of access" 2 "$(audit | grep -F '"action":"access"' | grep -c "mode 07[05]0")"
same "removals" 1 "$(audit --patient "$id" | grep -c '"action":"remove"')"
same "of nobody" 0 "$(audit --patient no-such-patient | wc -l)"
same "since tomorrow" 0 "$(audit --since "$(date -d tomorrow +%F)" | wc -l)"
same "of the last hour" "$(audit | wc -l)" "$(audit --since 1h | wc -l)"
"$LEADGLASS" audit "$MNT" | holds "configure  ok" || fail "the configuration's change in words"
if audit | holds -F "${patient% \[*}"; then fail "a patient's name is on record"; fi
refused stranger "$LEADGLASS" audit "$MNT"
refused "$LEADGLASS" audit "$MNT" --since yesterdayish
"$LEADGLASS" audit verify "$MNT" | holds "whole" || fail "verify of a mounted vault"

unmount_vault
audit_offline() { "$LEADGLASS" audit "$@" --passphrase-file "$WORK/passphrase"; }
[[ $(audit_offline "$VAULT" --json | tail -n 1) == *'"action":"unmount"'* ]] || fail "the unmount is not the last record"
audit_offline verify "$VAULT" | holds "whole" || fail "verify of a vault"
if grep -rqaF -e "$id" -e 60001 "$VAULT/audit"; then fail "the trail is in clear"; fi

# One changed byte, and a trail that is gone.
segment=$(find "$VAULT/audit" -name '*.seg' | sort | head -n 1)
cp -a "$VAULT/audit" "$WORK/audit"
python3 - "$segment" <<'PYTHON'
import sys

with open(sys.argv[1], "r+b") as file:
    file.seek(4300)
    byte = file.read(1)[0]
    file.seek(4300)
    file.write(bytes([byte ^ 1]))
PYTHON
code=0
audit_offline verify "$VAULT" >"$WORK/said" || code=$?
same "exit code for a changed trail" 6 "$code"
rm -r "$VAULT/audit"
code=0
audit_offline verify "$VAULT" >"$WORK/said" || code=$?
same "exit code for a missing trail" 6 "$code"
grep -q "NOT WHOLE" "$WORK/said" || fail "verify does not say that it is not whole"
code=0
"$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/passphrase" --state-dir "$WORK/state" 2>"$WORK/said" || code=$?
[[ $code -ne 0 ]] || fail "a vault without its trail is mounted"
grep -q "audit trail" "$WORK/said" || fail "the message does not name the trail: $(cat "$WORK/said")"
cp -a "$WORK/audit" "$VAULT/audit"
mount_vault
same "with the trail back" 3 "$(events '"action":"read"' '"uid":60001')"
