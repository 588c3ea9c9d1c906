#!/usr/bin/env bash
# A recovery kit opens the vault when the passphrase is lost: whole, or as shares that come together;
# by every command that takes a passphrase; and no more once it is removed. Each mistake is told.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

key=(--passphrase-file "$WORK/passphrase")

# expect CODE PATTERN COMMAND...: the exit code, and what the message must say.
expect() {
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$@" >"$WORK/said" 2>&1 </dev/null || status=$?
  [[ $status -eq $code ]] || fail "exit $status instead of $code: ${*//$WORK/}: $(<"$WORK/said")"
  grep -qE "$pattern" "$WORK/said" || fail "no word of '$pattern': ${*//$WORK/}: $(<"$WORK/said")"
}
# code_of SHEET: its code, in one line.
code_of() { grep -A3 '^ *LGR1' "$1" | tr -s ' \n' ' '; }
status_member() { "$LEADGLASS" status "$1" --json | python3 -c "import json,sys; print(json.load(sys.stdin)['$2'])"; }

echo kept >"$MNT/archive/file"
same "no kit, of the mount" None "$(status_member "$MNT" recovery_made)"
expect 0 'there is no recovery kit' "$LEADGLASS" status "$VAULT"

# Made while the vault is mounted. Nobody else may read the sheets.
"$LEADGLASS" recovery export "$VAULT" "${key[@]}" --output "$WORK/sheet" >/dev/null 2>&1 || fail "export"
same "mode of the sheet" 600 "$(stat -c %a "$WORK/sheet")"
"$LEADGLASS" recovery export "$VAULT" "${key[@]}" --split 2/3 --output "$WORK/kit" --json >"$WORK/made" 2>/dev/null ||
  fail "export of shares"
same "sheets" 3 "$(find "$WORK/kit" -type f -perm 600 | wc -l)"
kit=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["slot"]["kit"])' "$WORK/made")
shares=("$WORK/kit/leadglass-recovery-$kit-share-"{1,2,3}-of-3.txt)
grep -q "$(status_member "$VAULT" vault_id)" "$WORK/sheet" "${shares[@]}" || fail "the sheet does not name the vault"
[[ $(status_member "$MNT" recovery_made) == 20* ]] || fail "status does not say when the kit was made"
expect 0 "slot 3 +recovery kit $kit, made 20" "$LEADGLASS" passphrase list "$VAULT"
same "kinds" "passphrase recovery recovery" "$("$LEADGLASS" passphrase list "$VAULT" --json |
  python3 -c 'import json,sys; print(*(slot["kind"] for slot in json.load(sys.stdin)))')"
# Printed on standard output, with a mistake: nothing is made.
expect 2 'such as 3/5' "$LEADGLASS" recovery export "$VAULT" "${key[@]}" --split 3
expect 2 '4 of 3' "$LEADGLASS" recovery export "$VAULT" "${key[@]}" --split 4/3
expect 11 'a file of that name' "$LEADGLASS" recovery export "$VAULT" "${key[@]}" --output "$WORK/sheet"
same "slots" 3 "$("$LEADGLASS" passphrase list "$VAULT" | wc -l)"
unmount_vault

# The passphrase is lost.
mv "$WORK/passphrase" "$WORK/lost"
code_of "$WORK/sheet" >"$WORK/passphrase"
mount_vault
same "what the key opens" kept "$(<"$MNT/archive/file")"
unmount_vault
"$LEADGLASS" recovery combine --output "$WORK/combined" "${shares[2]}" "${shares[0]}" || fail "combine"
same "mode of the key" 600 "$(stat -c %a "$WORK/combined")"
cat "${shares[1]}" "${shares[2]}" | "$LEADGLASS" recovery combine | diff - "$WORK/combined" >/dev/null ||
  fail "other shares give another key"
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/combined" >/dev/null || fail "check with the combined key"

# Typed on a terminal: a mistake is told and asked for again, and nothing of it is shown.
python3 - "$LEADGLASS" "$WORK/typed" "${shares[@]}" <<'PYTHON' || fail "combine on a terminal"
import os
import pty
import re
import sys

program, output, first, second, third = sys.argv[1:]


def code(sheet):
    with open(sheet, encoding="utf-8") as text:
        return " ".join(re.search(r"LGR1(\s+\w{5}){16}", text.read())[0].split())


wrong = code(second)[:-1] + "?"
typed = [code(second), wrong, code(second), code(third)]
child, terminal = pty.fork()
if child == 0:
    os.execv(program, [program, "recovery", "combine", "--output", output])
shown = b""
asked = 0
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if shown.endswith(b": ") and asked < len(typed):
        os.write(terminal, typed[asked].encode() + b"\r")
        asked += 1
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
text = shown.decode()
assert status == 0 and asked == 4, (status, asked, text)
assert "group 16 (line 4, group 4 in it) is mistyped" in text, text
assert text.count("(1 more of kit ") == 3, text
assert not any(group in text for group in code(second).split()[1:]), "the code was shown"
PYTHON
cmp "$WORK/typed" "$WORK/combined" || fail "typed shares give another key"

# Mistakes.
expect 2 "too few shares of kit $kit: 2 of its 3 are needed, and there is 1 \(number 2\)" \
  "$LEADGLASS" recovery combine "${shares[1]}"
expect 2 "different recovery kits: share 1 is of kit $kit, the whole key of kit" \
  "$LEADGLASS" recovery combine "${shares[0]}" "$WORK/sheet"
sed -E '/^ *LGR1/{n;s/^( *[0-9A-Z]{5}  [0-9A-Z]{2})[0-9A-Z]/\1?/}' "${shares[0]}" >"$WORK/mistyped"
expect 2 'file 1: .*group 6 \(line 2, group 2 in it\) is mistyped' \
  "$LEADGLASS" recovery combine "$WORK/mistyped" "${shares[1]}"
expect 2 'file 2 has no recovery code' "$LEADGLASS" recovery combine "${shares[0]}" "$WORK/made"
code_of "${shares[0]}" >"$WORK/share"
expect 3 "this is share 1 of recovery kit $kit" "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/share"
code_of "$WORK/mistyped" >"$WORK/share"
expect 3 'group 6 ' "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/share"
"$LEADGLASS" init "$WORK/other" --passphrase-file "$WORK/lost" --scryptn 10 >/dev/null
expect 3 "another vault's" "$LEADGLASS" check "$WORK/other" --passphrase-file "$WORK/combined"

# A new passphrase by the key; the kit that was divided is removed by the other one.
"$LEADGLASS" passphrase add "$VAULT" "${key[@]}" --new-passphrase-file "$WORK/lost" --scryptn 10 >/dev/null || fail "add"
"$LEADGLASS" passphrase remove "$VAULT" 3 "${key[@]}" >/dev/null || fail "remove"
expect 3 "kit $kit opens no slot: the kit was removed" "$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/combined"
mount_vault
same "after the removal" kept "$(<"$MNT/archive/file")"
unmount_vault

# Sheets that cannot be written are no kit.
expect 4 'sheet|secret|no such' "$LEADGLASS" recovery export "$VAULT" "${key[@]}" --output "$WORK/nowhere/sheet"
if "$LEADGLASS" recovery export "$VAULT" "${key[@]}" >/dev/full 2>"$WORK/said"; then fail "a full disk was not noticed"; fi
grep -q 'of no use without its sheets' "$WORK/said" || fail "a kit that was not printed: $(<"$WORK/said")"

# Nothing of a key stands in the vault's folder or the log.
for code in "$WORK/passphrase" "$WORK/combined"; do
  group=$(tr -s ' -' '\n' <"$code" | sed -n 7p)
  if grep -raq "$group" "$VAULT" "$WORK/daemon.log"; then fail "a group of a key stands in the vault"; fi
done
mv "$WORK/lost" "$WORK/passphrase"
