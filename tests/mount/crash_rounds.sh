# shellcheck shell=bash
# crash_rounds.sh: rounds of load and crash, for kill9_test.sh and powercut_test.sh. Sourced after
# lib.sh. The caller defines crash() (ends the daemon in its way) and comes_back() (makes what is
# below the vault usable again).

# crash_rounds SHORT LONG: the rounds of the short form, and with LEADGLASS_LONG.
crash_rounds() {
  local rounds=$1 round writer before took slowest=0
  [[ -z ${LEADGLASS_LONG:-} ]] || rounds=$2
  local seed=${LEADGLASS_SEED:-$RANDOM}
  echo "seed $seed, $rounds rounds"
  RANDOM=$seed
  gen_study "$WORK/images" --instances 12 --size 128
  mkdir "$MNT/archive/load"
  sync -f "$MNT/archive/load"
  : >"$WORK/promised"
  for ((round = 1; round <= rounds; round++)); do
    local noted
    noted=$(wc -l <"$WORK/promised")
    local writers=()
    for writer in files records log images; do
      local source=()
      [[ $writer != images ]] || source=("$WORK/images")
      crash_load "$writer" "$MNT/archive/load" "$WORK/promised" "r$round-$writer" "${source[@]}" &
      writers+=($!)
    done
    wait_for 20 "the writers" more_noted "$noted"
    sleep "$((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))"
    crash
    wait "${writers[@]}" 2>/dev/null || true
    comes_back
    before=$(date +%s%N)
    mount_vault -o horizon=0 # room is given back all the while
    took=$((($(date +%s%N) - before) / 1000000))
    ((took <= slowest)) || slowest=$took
    ((took < 2000)) || fail "round $round: mounted again after $took ms (seed $seed)"
    crash_load verify "$MNT/archive/load" "$WORK/promised" r"$round"-{files,records,log,images} ||
      fail "round $round (seed $seed)"
  done
  crash_load verify "$MNT/archive/load" "$WORK/promised" || fail "after the last round (seed $seed)"
  local kept
  kept=$(wc -l <"$WORK/promised")
  echo "$rounds crashes, $kept steps fsynced and all of them kept, slowest mount $slowest ms"
  ((kept > rounds)) || fail "the writers wrote next to nothing"
}

crash_load() { python3 "$SOURCE_DIR/tests/mount/crash_load.py" "$@"; }
more_noted() { (($(wc -l <"$WORK/promised") > $1 + 10)); }
