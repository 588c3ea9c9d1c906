#!/usr/bin/env bash
# What goes wrong on a bad day is told: what happened, to what, and what to do; by a stated exit code
# (docs/cli.md), and without harm to what is there.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

key=(--passphrase-file "$WORK/passphrase")
state=(--state-dir "$WORK/state")

# expect CODE PATTERN COMMAND...: the exit code, and what the message must say.
expect() {
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$@" >"$WORK/said" 2>&1 || status=$?
  [[ $status -eq $code ]] || fail "exit $status instead of $code: ${*//$WORK/}: $(<"$WORK/said")"
  grep -qiE "$pattern" "$WORK/said" || fail "no word of '$pattern': ${*//$WORK/}: $(<"$WORK/said")"
}
expect_no_mount() {
  local code=$1 pattern=$2
  shift 2
  expect "$code" "$pattern" "$LEADGLASS" mount "$VAULT" "$MNT" "${key[@]}" "${state[@]}" "$@"
  if mountpoint -q "$MNT"; then fail "it was mounted all the same"; fi
}
# patch FILE OFFSET: flips one bit there; a negative offset counts from the end.
patch() {
  python3 - "$1" "$2" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]), 2 if sys.argv[2].startswith("-") else 0)
    at = file.tell()
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 4]))
PYTHON
}
# The vault as it was when it was saved, on a machine that has seen no newer one: each mount adds to
# the audit trail, and so to the log that quotes it.
save() { rm -rf "$WORK/saved" && cp -a "$VAULT" "$WORK/saved"; }
restore() {
  rm -rf "$VAULT" "$WORK/state"
  cp -a "$WORK/saved" "$VAULT"
}

# A vault mounted already.
expect 5 'mounted|open|use' "$LEADGLASS" mount "$VAULT" "$WORK" "${key[@]}" "${state[@]}"
expect 5 'mounted|open|use' "$LEADGLASS" check "$VAULT" "${key[@]}"
kill -0 "$(daemon_pid)" || fail "the first mount died"

# Three files in as many data records; enough for several segments.
for name in one two three; do head -c 60000000 /dev/urandom >"$MNT/archive/$name"; done
(cd "$MNT/archive" && b2sum one two three) >"$WORK/sums"
unmount_vault
save

# A wrong passphrase, and none.
echo 'another one' >"$WORK/wrong"
expect 3 'passphrase' "$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$WORK/wrong" "${state[@]}"
expect 2 'passphrase' setsid "$LEADGLASS" check "$VAULT" </dev/null
expect 4 'wrong|no such|not found' "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/no such file"

# Not a vault; nothing there; a vault there already.
mkdir "$WORK/plain"
echo text >"$WORK/plain/file"
expect 4 'not a vault|no vault' "$LEADGLASS" mount "$WORK/plain" "$MNT" "${key[@]}" "${state[@]}"
expect 4 'not a vault|no vault|no such' "$LEADGLASS" status "$WORK/nowhere"
expect 11 'exist|already|vault' "$LEADGLASS" init "$VAULT" "${key[@]}" --scryptn 10
same "what was in the way" text "$(<"$WORK/plain/file")"
expect 4 'no such|not found|not a' "$LEADGLASS" mount "$VAULT" "$WORK/no mount point" "${key[@]}" "${state[@]}"

# A newer format: both copies say major 2, with a fitting checksum.
python3 - "$VAULT"/leadglass.vault{,.copy} <<'PYTHON'
import hashlib
import sys
for path in sys.argv[1:]:
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        data[8:10] = b"\x02\x00"
        data[-32:] = hashlib.sha256(data[:-32]).digest()
        file.seek(0)
        file.write(data)
PYTHON
expect_no_mount 8 'newer|format|version'
restore

# One copy of the small files is enough; status says which is gone. Without both there is no vault.
for name in leadglass.vault keyring; do
  for copy in "$name" "$name.copy"; do
    rm "$VAULT/$copy"
    expect 0 "${name#leadglass.}" "$LEADGLASS" status "$VAULT"
    mount_vault
    (cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums") || fail "without $copy"
    unmount_vault
    [[ -s $VAULT/$copy ]] || fail "$copy was not made again"
    restore
  done
  patch "$VAULT/$name" 300
  patch "$VAULT/$name.copy" 300
  expect_no_mount 6 'damaged|both|corrupt'
  rm "$VAULT/$name" "$VAULT/$name.copy"
  expect_no_mount "$([[ $name == keyring ]] && echo 6 || echo 4)" "$([[ $name == keyring ]] && echo keyring || echo vault)"
  restore
done

# A missing segment is named. A damaged one costs the file; check names it.
mapfile -t segments < <(find "$VAULT/log" -name '*.seg' | sort)
[[ ${#segments[@]} -ge 3 ]] || fail "too few segments: ${#segments[@]}"
rm "${segments[1]}"
expect_no_mount 6 'segment'
# What is left of it can be read: never other bytes, never in silence, nothing written.
for index in there gone; do
  [[ $index == there ]] || rm -r "$VAULT/index"
  (cd "$VAULT" && find . -type f -print0 | sort -z | xargs -0 b2sum) >"$WORK/before"
  mount_vault -o salvage
  good=0
  for name in one two three; do
    if (cd "$MNT/archive" && b2sum "$name" 2>/dev/null) >"$WORK/sum"; then
      grep -q "^$(cut -d ' ' -f 1 "$WORK/sum")" "$WORK/sums" || fail "salvaged, wrong bytes of $name"
      good=$((good + 1))
    fi
  done
  ((good >= 1 && good < 3)) || fail "salvaged with its index $index: $good files of 3"
  refused touch "$MNT/archive/new"
  "$LEADGLASS" status "$MNT" >"$WORK/said" || fail "status of a salvaged vault"
  grep -q 'WARNING: segment' "$WORK/said" || fail "status does not say what is lost: $(<"$WORK/said")"
  unmount_vault
  (cd "$VAULT" && b2sum --quiet -c "$WORK/before") >&2 || fail "a salvaged vault was written to"
done
restore
patch "${segments[1]}" 30000000
mount_vault
good=0
for name in one two three; do
  if (cd "$MNT/archive" && b2sum "$name" 2>"$WORK/said") >"$WORK/sum"; then
    grep -q "^$(cut -d ' ' -f 1 "$WORK/sum")" "$WORK/sums" || fail "wrong bytes of $name, and no error"
    good=$((good + 1))
  else
    grep -q 'Input/output error' "$WORK/said" || fail "not EIO: $(<"$WORK/said")"
  fi
done
same "files that one bit costs" 2 "$good"
unmount_vault
expect 6 'segment' "$LEADGLASS" check "$VAULT" "${key[@]}"
expect 6 'damage' "$LEADGLASS" check "$VAULT" "${key[@]}" --json
restore

# Both copies of a segment's header.
patch "${segments[0]}" 20
patch "${segments[0]}" 600
patch "${segments[0]}" 1100
mount_vault
(cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums") || fail "the header's other copies did not serve"
unmount_vault
restore

# No index at all, and garbage in its place.
rm -r "$VAULT/index"
mount_vault
unmount_vault
for file in "$VAULT"/index/*; do head -c 5000 /dev/urandom >"$file"; done
mount_vault
(cd "$MNT/archive" && b2sum --quiet -c "$WORK/sums") || fail "after a garbled index"
unmount_vault

# An older vault than was seen: refused, with the way on.
restore
mount_vault
echo newer >"$MNT/archive/newer"
unmount_vault
mv "$VAULT" "$WORK/newest"
cp -a "$WORK/newest" "$VAULT"
find "$VAULT/log" -name '*.seg' | sort | tail -n 1 | xargs rm
rm -r "$VAULT/index"
expect_no_mount 7 'accept-rollback'
mount_vault --accept-rollback
[[ ! -e $MNT/archive/newer ]] || fail "the rolled back file is there"
echo after >"$MNT/archive/after"
remount
same "written after the rollback" after "$(<"$MNT/archive/after")"
unmount_vault
rm -rf "$WORK/newest"
