#!/usr/bin/env bash
# The programs of scripts/bench do what their figures claim to time: each workload writes, and finds again
# byte for byte what was written; none calls other bytes or a missing name right.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount
[[ -x ${BENCH_DIR:-}/fs_workload ]] || skip "this build has no benchmarks (LEADGLASS_BENCH)"

folder=$MNT/archive/bench
# counted NAME COUNT OPTION...: the workload's line of JSON says that it did so many.
counted() {
  local name=$1 count=$2 line
  shift 2
  line=$("$BENCH_DIR/fs_workload" "$name" "$@") || fail "workload $name"
  same "what $name did" "$count" "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["count"])' "$line")"
}
# found_out WHAT COMMAND...: the command ends with 1, and says so.
found_out() {
  local what=$1 status=0
  shift
  "$@" >"$WORK/out" 2>&1 || status=$?
  same "the end of $what ($(tail -n 1 "$WORK/out"))" 1 "$status"
}

"$SOURCE_DIR/scripts/gen_study.py" "$WORK/images" --instances 12 --size 128 >/dev/null
for workload in import import-fsync orthanc; do
  counted "$workload" 12 "$folder/$workload" --images "$WORK/images" --workers 3
  counted read 12 "$folder/$workload" --images "$WORK/images" --workers 3
  counted open 12 "$folder/$workload" --images "$WORK/images"
done
counted big-write 1 "$folder/big" --count 5
counted big-read 1 "$folder/big" --count 5
counted random-read 40 "$folder/big" --count 40
counted overwrite 40 "$folder/overwritten" --count 40
counted create 30 "$folder/small" --count 30 --workers 2
counted make-tree 0 "$folder/tree" --count 4 --workers 5
counted list 1 "$folder/tree" --count 24

image=$(find "$folder/import" -type f -print -quit)
printf 'x' | dd of="$image" bs=1 seek=9000 conv=notrunc status=none
found_out "a read of other bytes" "$BENCH_DIR/fs_workload" read "$folder/import" --images "$WORK/images"
truncate -s 12000 "$image"
found_out "a read of a shorter file" "$BENCH_DIR/fs_workload" read "$folder/import" --images "$WORK/images"
printf 'x' | dd of="$folder/big/big" bs=1 seek=3000000 conv=notrunc status=none
found_out "a read of a changed big file" "$BENCH_DIR/fs_workload" big-read "$folder/big" --count 5
rm "$folder/tree/2/3"
found_out "a list without one" "$BENCH_DIR/fs_workload" list "$folder/tree" --count 24

# A vault filled without a mount is whole, and shows what the figures of its growth count.
printf 'scale\n' >"$WORK/scale.passphrase"
for images in 300 700; do # makes it, then goes on with it
  "$BENCH_DIR/fill_vault" "$WORK/filled" "$WORK/scale.passphrase" --images $images --groups 2 >"$WORK/filled.json"
done
same "images said to be filled" 700 "$(tail -n 1 "$WORK/filled.json" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["images"])')"
"$LEADGLASS" check "$WORK/filled" --passphrase-file "$WORK/scale.passphrase" | holds '^clean: 700 files' ||
  fail "check of a filled vault"

# Importers, readers and deletions for a second, where scripts/bench --soak takes half an hour.
python3 "$SOURCE_DIR/tests/bench/run_soak.py" --program "$LEADGLASS" --soak "$BENCH_DIR/soak" --minutes 0.02 \
  --folder "$WORK/soak" --json "$WORK/soak.json" >"$WORK/out" 2>&1 || fail "soak: $(tail -n 3 "$WORK/out")"
python3 - "$WORK/soak.json" <<'END' || fail "soak: nothing was measured: $(cat "$WORK/soak.json")"
import json, sys
result = json.load(open(sys.argv[1]))
sys.exit(not (result["calls"]["close after writing"]["count"] > 0 and result["daemon's memory"]["most, MB"] > 0))
END

"$BENCH_DIR/micro_bench" --benchmark_filter='^BM_(SealStream/4096|OpenStream/4096|LogAppendData/4096|ParseHeader/)' \
  --benchmark_min_time=0.001 --benchmark_format=json 2>"$WORK/out" | python3 -c '
import json, sys
runs = json.load(sys.stdin)["benchmarks"]
names = {run["run_name"].split("/")[0] for run in runs if run["iterations"] > 0 and not run.get("error_occurred")}
sys.exit(names != {"BM_SealStream", "BM_OpenStream", "BM_LogAppendData", "BM_ParseHeader"})' ||
  fail "micro_bench: $(tail -n 3 "$WORK/out")"
