#!/usr/bin/env bash
# A model test of data operations: every byte compared with what memory says, and again after a
# remount and after a kill. DATA_MODEL: the program (tests/mount/data_model_main.cc).
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

operations=20000
[[ -z ${LEADGLASS_LONG:-} ]] || operations=1000000
mkdir "$MNT/archive/model"
seed=${LEADGLASS_SEED:-$RANDOM$RANDOM}
"$DATA_MODEL" --dir "$MNT/archive/model" --ops "$operations" --seed "$seed" --state "$WORK/model" ||
  fail "seed $seed"
remount
"$DATA_MODEL" --dir "$MNT/archive/model" --verify-only "$WORK/model" || fail "after remounting, seed $seed"
sync -f "$MNT/archive/model"
if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  kill_daemon
  mount_vault
  "$DATA_MODEL" --dir "$MNT/archive/model" --verify-only "$WORK/model" || fail "after kill -9, seed $seed"
fi
