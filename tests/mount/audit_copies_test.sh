#!/usr/bin/env bash
# What is on record also arrives where a hospital collects it: DICOM audit messages at a syslog host, entries in
# the journal. The trail goes on when nobody takes them.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }
audio=$(getent group audio | cut -d : -f 3)
pids=()
listen() { # OUT ADDRESS
  "$SOURCE_DIR/tests/mount/datagrams.py" "$1" "$2" &
  pids+=($!)
}
cleanup() {
  kill "${pids[@]}" 2>/dev/null || true
  if [[ -e $WORK/journal ]]; then
    rm -f "$journal"
    rmdir "${journal%/*}" 2>/dev/null || true
  fi
}
trap cleanup EXIT

listen "$WORK/syslog" udp
wait_for 10 "the syslog host" test -s "$WORK/syslog.port"
port=$(cat "$WORK/syslog.port")

# The machine's own journal where it has one, else a socket in its place.
journal=/run/systemd/journal/socket
if [[ -S $journal ]]; then
  since=$(date '+%F %T')
  entries() { journalctl --since "$since" -t leadglass-audit -o export; }
else
  mkdir -p "${journal%/*}"
  : >"$WORK/journal"
  listen "$WORK/journal" "$journal"
  wait_for 10 "the journal" test -S "$journal"
  entries() { cat "$WORK/journal"; }
fi

cat >"$WORK/rules.toml" <<TOML
default_group = "audio"
[audit]
journal = true
syslog = "udp:127.0.0.1:$port"
source = "test-archive"
site = "St. Elsewhere"
TOML
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
install -d -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/ct" --instances 3 --size 64 --modality CT --seed 2
as 60010 60010 cp -r "$WORK/ct"/. "$MNT/archive/pacs"
study=$(echo "$MNT"/patients/*/*)
image=$(find "$study" -type f -print -quit)
uid=$(getfattr --only-values -n user.dicom.StudyInstanceUID "$image")
name=$(getfattr --only-values -n user.dicom.PatientName "$image")
# shellcheck disable=SC2016 # sh expands it
as 60001 "$audio" sh -c 'cat "$1"/*/*' - "$study" >/dev/null
as 60004 60004 ls "$study" >/dev/null 2>&1 && fail "a stranger sees the study"
"$LEADGLASS" audit "$MNT" >/dev/null # everything is written now

syslog_has() { grep -aF 'DICOM+RFC3881' "$WORK/syslog" | grep -aF "$1" | holds -aF "$2"; }
wait_for 10 "the message of reading" syslog_has 'csd-code="110103"' 'UserID="60001"'
wait_for 10 "the message of storing" syslog_has 'EventActionCode="C"' 'UserID="60010"'
wait_for 10 "the message of a refusal" syslog_has 'EventOutcomeIndicator="4"' 'UserID="60004"'
wait_for 10 "the message of the configuration" syslog_has 'csd-code="110129"' 'AuditSourceID="test-archive"'
grep -aqF "ParticipantObjectID=\"$uid\"" "$WORK/syslog" || fail "no message names the study"
python3 - "$WORK/syslog" <<'PYTHON'
import sys
import xml.etree.ElementTree as xml

frames = open(sys.argv[1], "rb").read().decode().split("\n--\n")[:-1]
assert frames
for frame in frames:
    header, message = frame.split(" - ", 1)
    assert header.startswith("<85>1 2"), header
    assert xml.fromstring(message.encode()).tag == "AuditMessage"
PYTHON

journal_has() { entries | holds -axF "$1"; }
wait_for 10 "the entry of reading" journal_has "LEADGLASS_UID=60001"
wait_for 10 "the study in an entry" journal_has "LEADGLASS_STUDY=$uid"
wait_for 10 "the entry of a refusal" journal_has "LEADGLASS_UID=60004"
wait_for 10 "what an entry says" journal_has "LEADGLASS_ACTION=store"

# No copy has a patient's name.
if entries | holds -aF "$name" || holds -aF "$name" "$WORK/syslog"; then fail "a copy holds a patient's name"; fi

# Nobody takes copies any more: the record goes on.
kill "${pids[@]}"
wait "${pids[@]}" 2>/dev/null || true
rm -f "$MNT"/archive/pacs/*/*/*/00003.dcm
"$LEADGLASS" audit "$MNT" --json | holds -F '"action":"remove"' || fail "the removal is not on record"

# What a command does with a vault that is not mounted arrives as well.
listen "$WORK/syslog2" udp
wait_for 10 "the syslog host" test -s "$WORK/syslog2.port"
unmount_vault
sed "s/:$port\"/:$(cat "$WORK/syslog2.port")\"/" "$WORK/rules.toml" >"$WORK/rules2.toml"
"$LEADGLASS" config set "$VAULT" "$WORK/rules2.toml" --passphrase-file "$WORK/passphrase" >/dev/null
syslog2_has() { grep -aqF 'csd-code="110129"' "$WORK/syslog2"; }
wait_for 10 "the message of a command" syslog2_has
