#!/usr/bin/env bash
# Nothing of what was stored is found outside: no name, no UID, no run of 16 bytes of any file, in
# the vault's folder, the state folder, the daemon's log, or what a crashing daemon leaves behind.
# With LEADGLASS_CORPUS the files there are stored as well. FIND_RUNS: tests/fault/find_runs.cc.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

unmount_vault # it is mounted again by a daemon that may leave a core file in its folder
cd "$WORK"
ulimit -c unlimited 2>/dev/null || true
mount_vault

mkdir "$WORK/plain"
gen_study "$WORK/plain/made" --patients 5 --studies 2 --instances 4 --size 96 --list >"$WORK/list"
if [[ -n ${LEADGLASS_CORPUS:-} ]]; then cp -r "$LEADGLASS_CORPUS" "$WORK/plain/corpus"; fi
cp -r "$WORK/plain" "$MNT/archive/Featherstonehaugh"
cp "$WORK"/plain/made/LG001-00001/1/1/*.dcm "$MNT/incoming/"
printf 'a name that is removed again' >"$MNT/archive/name-that-goes-away"
rm "$MNT/archive/name-that-goes-away"
ln -s target-of-a-symbolic-link "$MNT/archive/name-of-a-symbolic-link"
setfattr -n user.comment-nobody-reads -v 'an attribute nobody reads' "$MNT/archive/Featherstonehaugh"
# Reading, listing, failing and asking for attributes must not leak either.
diff -r "$WORK/plain" "$MNT/archive/Featherstonehaugh" >&2 || fail "the copy differs"
find "$MNT" -exec getfattr -d -m - {} + >/dev/null 2>&1 || true
cat "$MNT/archive/no such file of Wiśniewska" 2>/dev/null || true
"$LEADGLASS" status "$MNT" >/dev/null
remount
find "$MNT/patients" -type f -exec cat {} + >/dev/null

# What must not be found: ids, UIDs, whole names and their parts; folders that were made.
{
  cut -f 2- "$WORK/list" | tr '\t' '\n'
  cut -f 3 "$WORK/list" | sed 's/[=^]/\n/g'
  printf '%s\n' Featherstonehaugh 'no such file' 'correct horse' CompressedSamples 'Serie 1 weich' \
    name-that-goes-away target-of-a-symbolic-link name-of-a-symbolic-link comment-nobody-reads \
    'an attribute nobody reads'
  [[ -z ${LEADGLASS_CORPUS:-} ]] || cut -f 3-8 "$LEADGLASS_CORPUS/expected.tsv" | tail -n +2 | sed 's/[\t=^]/\n/g'
} | sort -u >"$WORK/strings"
[[ $(wc -l <"$WORK/strings") -gt 50 ]] || fail "the list of names is too short"

# The search itself must be able to find: it looks for the made files in a copy of one.
mkdir "$WORK/decoy"
head -c 3000 "$(find "$WORK/plain/made" -name 00001.dcm | head -n 1)" | tail -c 1999 >"$WORK/decoy/part"
if "$FIND_RUNS" "$WORK/strings" "$WORK/plain" "$WORK/decoy" >/dev/null; then fail "the search finds nothing"; fi

# A daemon that dies of a signal leaves no core file: what it holds is in no dump.
targets=("$VAULT" "$WORK/state" "$WORK/daemon.log")
if command -v gcore >/dev/null && gcore -o "$WORK/debugger" "$(daemon_pid)" >/dev/null 2>&1; then
  # A debugger in root's hands sees the files that are being served, but never the passphrase.
  if grep -aq 'correct horse battery' "$WORK"/debugger.*; then fail "the passphrase stayed in memory"; fi
  rm -f "$WORK"/debugger.*
fi
kill -ABRT "$(daemon_pid)"
wait_for 20 "the daemon to die" daemon_gone
core=$(find "$WORK" -maxdepth 1 -name 'core*' | head -n 1)
if [[ -n $core ]]; then targets+=("$core"); else echo "no core file was left, as it must be"; fi
"$FIND_RUNS" "$WORK/strings" "$WORK/plain" "${targets[@]}" || fail "something is readable"
umount -l "$MNT" 2>/dev/null || true
mount_vault
