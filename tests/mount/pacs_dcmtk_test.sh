#!/usr/bin/env bash
# DCMTK's storescp and dcmqrscp keep their images, and dcmqrscp its index, in the mount.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

gen_study "$WORK/source" --patients 3 --series 2 --instances 4 --size 64 --list >"$WORK/list"
mkdir "$MNT/archive/storescp" "$MNT/archive/qr" "$WORK/etc"
trap 'kill "${server:-}" 2>/dev/null || true' EXIT

# start LOG COMMAND...: a server on port $port, tried again with another port if that one was taken.
start() {
  local log=$1
  shift
  for _ in 1 2 3; do
    port=$(free_port)
    "${@//@PORT@/$port}" >"$log" 2>&1 &
    server=$!
    for _ in {1..100}; do
      if echoscu -aec LEADQR 127.0.0.1 "$port" >/dev/null 2>&1; then return 0; fi
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
    kill "$server" 2>/dev/null || true
  done
  cat "$log" >&2
  fail "$1 does not start"
}
stop() {
  kill "$server"
  wait "$server" 2>/dev/null || true
}
# SOP instance UIDs below a folder, sorted.
uids_below() {
  find "$1" -type f ! -name 'index.dat' -print0 | xargs -0 -r dcmdump +P SOPInstanceUID -s |
    sed -n 's/.*\[\(.*\)\].*/\1/p' | sort
}
cut -f6 "$WORK/list" | sort >"$WORK/expected"

start "$WORK/storescp.log" storescp --output-directory "$MNT/archive/storescp" @PORT@
storescu +sd +r -aec LEADQR 127.0.0.1 "$port" "$WORK/source" >"$WORK/storescu.log" 2>&1 || fail "storescu to storescp"
stop
uids_below "$MNT/archive/storescp" | diff "$WORK/expected" - >&2 || fail "storescp kept other images"

cat >"$WORK/etc/qr.cfg" <<END
NetworkTCPPort = 1
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
LEADQR $MNT/archive/qr RW (200, 1024mb) ANY
AETable END
END
query() {
  findscu -S -aec LEADQR -k QueryRetrieveLevel=STUDY -k StudyInstanceUID -k PatientID 127.0.0.1 "$port" 2>&1 |
    sed -n 's/.*(0020,000d) UI \[\([0-9.]*\) *\].*/\1/p' | sort -u
}
cut -f4 "$WORK/list" | sort -u >"$WORK/studies"
start "$WORK/qr.log" dcmqrscp -c "$WORK/etc/qr.cfg" @PORT@
# One sender at a time: dcmqrscp's children draw the same file name when they start together, on any
# file system. Queries run meanwhile, so that the lock on index.dat is fought for.
for study in "$WORK"/source/*; do
  storescu +sd +r -aec LEADQR 127.0.0.1 "$port" "$study" >>"$WORK/storescu.log" 2>&1 &
  sender=$!
  query >/dev/null
  wait "$sender" || fail "storescu to dcmqrscp"
done
query | diff "$WORK/studies" - >&2 || fail "dcmqrscp does not find the studies"
stop
remount
start "$WORK/qr.log" dcmqrscp -c "$WORK/etc/qr.cfg" @PORT@
query | diff "$WORK/studies" - >&2 || fail "dcmqrscp does not find the studies after remounting"
stop
uids_below "$MNT/archive/qr" | diff "$WORK/expected" - >&2 || fail "dcmqrscp kept other images"
if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  # Both archives hold the same images: in the views each stands once as itself.
  find "$MNT/patients" -type f -print0 | xargs -0 dcmdump +P SOPInstanceUID -s |
    sed -n 's/.*\[\(.*\)\].*/\1/p' | sort -u | diff "$WORK/expected" - >&2 || fail "the views show other images"
fi
