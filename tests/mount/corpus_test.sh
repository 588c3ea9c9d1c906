#!/usr/bin/env bash
# Every file of a folder of real DICOM files (LEADGLASS_CORPUS) comes back equal, and the daemon lives.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

[[ -n ${LEADGLASS_CORPUS:-} ]] || skip "LEADGLASS_CORPUS is not set"
cp -r "$LEADGLASS_CORPUS" "$MNT/archive/corpus"
kill -0 "$(daemon_pid)" || fail "the daemon died of a file"
remount
diff -r "$LEADGLASS_CORPUS" "$MNT/archive/corpus" >&2 || fail "a file differs"
echo "$(find "$MNT/archive/corpus" -type f | wc -l) files equal, $(find "$MNT/patients" -type f | wc -l) in the views"
python3 "$SOURCE_DIR/tests/mount/corpus_expected.py" "$LEADGLASS_CORPUS/expected.tsv" "$MNT" "$LEADGLASS"
