#!/usr/bin/env bash
# A SQLite database with a write-ahead log lives in the mount: locks, mapping, crash, reopening.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

db=$MNT/archive/test.db
sql() { sqlite3 -cmd '.timeout 20000' "$db" "$@"; }

same "journal mode" wal "$(sql 'PRAGMA journal_mode=WAL')"
sql 'PRAGMA synchronous=FULL; CREATE TABLE image (id INTEGER PRIMARY KEY, writer INTEGER, body BLOB)' >/dev/null
writer() {
  for n in $(seq 1 "$2"); do
    sql "BEGIN IMMEDIATE; INSERT INTO image (writer, body) VALUES ($1, randomblob(3000)); COMMIT" || return 1
    : "$n"
  done
}
pids=()
for w in 1 2 3; do
  writer "$w" 40 &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "a writer was refused"; done
same "rows of three writers" 120 "$(sql 'SELECT count(*) FROM image')"
same "integrity" ok "$(sql 'PRAGMA integrity_check')"
remount
same "rows after remounting" 120 "$(sql 'SELECT count(*) FROM image')"

same "rollback journal" delete "$(sql 'PRAGMA journal_mode=DELETE')"
sql 'PRAGMA mmap_size=10000000; UPDATE image SET writer = writer + 10' >/dev/null
same "updated" 120 "$(sql 'SELECT count(*) FROM image WHERE writer > 10')"
sql 'VACUUM' && same "integrity after VACUUM" ok "$(sql 'PRAGMA integrity_check')"
same "back to WAL" wal "$(sql 'PRAGMA journal_mode=WAL')"

if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  # Each row was committed with synchronous=FULL before its number was noted.
  (
    for n in $(seq 1 1000); do
      sql "PRAGMA synchronous=FULL; INSERT INTO image (writer, body) VALUES (99, randomblob(500))" >/dev/null 2>&1 || exit 0
      echo "$n" >"$WORK/committed"
    done
  ) &
  load=$!
  sleep 1.5
  kill_daemon
  wait "$load" || true
  mount_vault
  same "integrity after kill -9" ok "$(sql 'PRAGMA integrity_check')"
  kept=$(sql 'SELECT count(*) FROM image WHERE writer = 99')
  ((kept >= $(cat "$WORK/committed"))) || fail "$(cat "$WORK/committed") rows committed, $kept kept"
fi
