#!/usr/bin/env bash
# The POSIX conformance suite, where it is at hand: LEADGLASS_PJDFSTEST=PROGRAM, called with a folder.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

[[ -n ${LEADGLASS_PJDFSTEST:-} ]] || skip "LEADGLASS_PJDFSTEST is not set"
mkdir "$MNT/archive/posix"
chmod 755 "$MNT/archive/posix"
# All 8,798 checks take long; the short form takes some operations of each kind.
tests=(link mkdir open truncate unlink)
[[ -z ${LEADGLASS_LONG:-} ]] || tests=("")
"$LEADGLASS_PJDFSTEST" "$MNT/archive/posix" "${tests[@]}" >"$WORK/posix.log" 2>&1 || {
  tail -n 60 "$WORK/posix.log" >&2
  fail "POSIX checks"
}
tail -n 3 "$WORK/posix.log"
