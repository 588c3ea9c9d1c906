#!/usr/bin/env bash
# What was taken away stays away. Whoever has the disk puts old files back, both copies of each, and
# holds a passphrase that was removed: every such vault is refused, each case with its own message,
# and the vault of now opens as before. `rotate` gives new keys, and keeps every way in.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

key=(--passphrase-file "$WORK/passphrase")
guest=(--passphrase-file "$WORK/guest")
echo 'a guest' >"$WORK/guest"

# expect CODE PATTERN COMMAND...: the exit code, and what the message must say.
expect() {
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$@" >"$WORK/said" 2>&1 </dev/null || status=$?
  [[ $status -eq $code ]] || fail "exit $status instead of $code: ${*//$WORK/}: $(<"$WORK/said")"
  grep -qE "$pattern" "$WORK/said" || fail "no word of '$pattern': ${*//$WORK/}: $(<"$WORK/said")"
}
# Neither to whoever was removed nor to whoever stays, on a machine that has never seen the vault.
expect_refused() {
  local code=$1 pattern=$2 who
  for who in "$WORK/guest" "$WORK/passphrase"; do
    for way in "" "--accept-rollback" "-o salvage"; do
      rm -rf "$WORK/nowhere"
      # shellcheck disable=SC2086 # none, one or two words
      expect "$code" "$pattern" "$LEADGLASS" mount "$VAULT" "$MNT" --passphrase-file "$who" \
        --state-dir "$WORK/nowhere" $way
      if mountpoint -q "$MNT"; then fail "it was mounted all the same"; fi
    done
    expect "$code" "$pattern" "$LEADGLASS" check "$VAULT" --passphrase-file "$who" --state-dir "$WORK/nowhere"
  done
  if grep -q 'on purpose: --accept-rollback' "$WORK/said"; then fail "a way on that is none: $(<"$WORK/said")"; fi
}
# put FOLDER NAME...: both copies of each are as they lie in FOLDER.
put() {
  local folder=$1 name
  shift
  for name in "$@"; do cp "$folder/$name" "$VAULT/$name" && cp "$folder/$name" "$VAULT/$name.copy"; done
}
key_epoch() { "$LEADGLASS" status "$VAULT" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["key_epoch"])'; }

echo first >"$MNT/archive/first"
expect 5 'open in another process' "$LEADGLASS" rotate "$VAULT" "${key[@]}"
unmount_vault
"$LEADGLASS" passphrase add "$VAULT" "${key[@]}" --new-passphrase-file "$WORK/guest" --scryptn 10 >/dev/null
"$LEADGLASS" recovery export "$VAULT" "${key[@]}" --output "$WORK/sheet" >/dev/null 2>&1
grep -A3 '^ *LGR1' "$WORK/sheet" | tr -s ' \n' ' ' >"$WORK/code"
"$LEADGLASS" keyring export "$VAULT" "$WORK/keyring.export" "${key[@]}" >/dev/null

# A rotation keeps every way in, and what was written; the exported keyring is of no use any more.
# (As text of a known length: of the bytes themselves one keyring in fifty has no line within a passphrase's 1,024.)
base64 -w 0 <(head -c 512 "$WORK/keyring.export") >"$WORK/keyring.text"
expect 3 'no slot opens' "$LEADGLASS" rotate "$VAULT" --passphrase-file "$WORK/keyring.text"
expect 0 'key epoch 2.*as before' "$LEADGLASS" rotate "$VAULT" "${key[@]}"
same "key epoch" 2 "$(key_epoch)"
expect 0 'the keyring was never exported' "$LEADGLASS" status "$VAULT"
same "key epoch as JSON" 3 "$("$LEADGLASS" rotate "$VAULT" "${guest[@]}" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["key_epoch"])')"
for way in "$WORK/passphrase" "$WORK/guest" "$WORK/code"; do
  "$LEADGLASS" check "$VAULT" --passphrase-file "$way" >/dev/null || fail "check with ${way##*/} after a rotation"
done
mount_vault
same "after two rotations" first "$(<"$MNT/archive/first")"
echo second >"$MNT/archive/second"
unmount_vault

# The guest copies what opens the vault, and is removed.
mkdir "$WORK/old" "$WORK/new"
cp "$VAULT"/leadglass.vault "$VAULT"/keyring "$WORK/old/"
"$LEADGLASS" passphrase remove "$VAULT" 2 "${key[@]}" >/dev/null || fail "remove"
cp "$VAULT"/leadglass.vault "$VAULT"/keyring "$WORK/new/"
expect 3 'no slot opens with this passphrase' "$LEADGLASS" check "$VAULT" "${guest[@]}"

# An old keyring. Who was removed does not even come so far.
put "$WORK/old" keyring
expect 6 'keyring: it is an old one, put back: version 3 of key epoch 3, and the vault file demands version 4' \
  "$LEADGLASS" mount "$VAULT" "$MNT" "${key[@]}" --state-dir "$WORK/nowhere"
expect 3 'no slot opens' "$LEADGLASS" mount "$VAULT" "$MNT" "${guest[@]}" --state-dir "$WORK/nowhere"
# The one that was exported before the rotations.
cp "$WORK/keyring.export" "$VAULT/keyring" && cp "$WORK/keyring.export" "$VAULT/keyring.copy"
expect 6 'keyring: it is an old one, put back: version 1 of key epoch 1' "$LEADGLASS" check "$VAULT" "${key[@]}"

# An old vault file.
put "$WORK/new" keyring
put "$WORK/old" leadglass.vault
expect_refused 6 'vault file: it is an old one, put back: it knows key epoch 3, and the keyring beside it is of key epoch 4'

# The slot that was removed, put back into the vault file of now.
python3 - "$WORK/old/leadglass.vault" "$WORK/new/leadglass.vault" "$WORK/spliced" <<'PYTHON'
import hashlib
import struct
import sys

old, new = (bytearray(open(path, "rb").read()) for path in sys.argv[1:3])
slots = [old[80 + 408 * i:80 + 408 * (i + 1)] for i in range(struct.unpack_from("<H", old, 72)[0])]
guest = next(slot for slot in slots if struct.unpack_from("<I", slot)[0] == 2)
new[80 + 408:80 + 408] = guest  # behind slot 1
struct.pack_into("<I", new, 12, len(new))
struct.pack_into("<H", new, 72, struct.unpack_from("<H", new, 72)[0] + 1)
new[-32:] = hashlib.sha256(new[:-32]).digest()
open(sys.argv[3], "wb").write(new)
PYTHON
cp "$WORK/spliced" "$VAULT/leadglass.vault" && cp "$WORK/spliced" "$VAULT/leadglass.vault.copy"
expect_refused 6 'vault file: slot 2 was put back into it: it is of key epoch 3, and the vault is in 4'

# Both old files together fit each other, and not the log.
put "$WORK/old" leadglass.vault keyring
expect_refused 7 'is of key epoch 4, and the vault file knows none after 3: vault file and keyring are old ones, put back'

# The vault of now is none the worse for it.
put "$WORK/new" leadglass.vault keyring
mount_vault
same "first" first "$(<"$MNT/archive/first")"
same "second" second "$(<"$MNT/archive/second")"
unmount_vault
expect 3 'no slot opens with this passphrase' "$LEADGLASS" check "$VAULT" "${guest[@]}"
