#!/usr/bin/env bash
# Orthanc with storage and SQLite index in the mount finds its studies again after both restarted.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"

command -v Orthanc >/dev/null || skip "Orthanc is not installed"
gen_study "$WORK/source" --patients 3 --series 2 --instances 4 --size 64 --list >"$WORK/list"
mkdir "$MNT/archive/orthanc"
trap 'kill "${server:-}" 2>/dev/null || true' EXIT

api() { curl --silent --show-error --fail --max-time 20 "http://127.0.0.1:$http$1"; }
start_orthanc() {
  for _ in 1 2 3; do
    http=$(free_port)
    dicom=$(free_port)
    cat >"$WORK/orthanc.json" <<END
{ "Name": "test", "StorageDirectory": "$MNT/archive/orthanc", "IndexDirectory": "$MNT/archive/orthanc",
  "HttpPort": $http, "DicomPort": $dicom, "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
  "DicomAet": "LEADTEST", "Plugins": [] }
END
    Orthanc "$WORK/orthanc.json" >>"$WORK/orthanc.log" 2>&1 &
    server=$!
    for _ in {1..200}; do
      if api /system >/dev/null 2>&1; then return 0; fi
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
    kill "$server" 2>/dev/null || true
  done
  tail -n 20 "$WORK/orthanc.log" >&2
  fail "Orthanc does not start"
}
stop_orthanc() {
  kill "$server"
  wait "$server" 2>/dev/null || true
}
# Every image that the index knows, read from the storage, by SOP instance UID and checksum.
images() {
  local id
  for id in $(api /instances | tr -d '[]", \n' | sed 's/^$//' | fold -w 44); do
    printf '%s ' "$(api "/instances/$id/tags?simplify" | sed -n 's/.*"SOPInstanceUID" : "\(.*\)".*/\1/p')"
    api "/instances/$id/file" | sha256sum | cut -d ' ' -f 1
  done | sort
}

start_orthanc
storescu +sd +r -aec LEADTEST 127.0.0.1 "$dicom" "$WORK/source" >"$WORK/storescu.log" 2>&1 || fail "storescu"
images >"$WORK/before"
cut -f6 "$WORK/list" | sort | diff - <(cut -d ' ' -f 1 "$WORK/before") >&2 || fail "Orthanc has other images"
stop_orthanc
remount
start_orthanc
images | diff "$WORK/before" - >&2 || fail "other images after restarting Orthanc and the mount"
same "studies" 3 "$(api /studies | grep -c '"')"

# A study is deleted: its folders go, the others stay.
study=$(api /studies | tr -d '[]", \n' | cut -c 1-44)
curl --silent --fail -X DELETE "http://127.0.0.1:$http/studies/$study" >/dev/null || fail "delete"
same "studies after a deletion" 2 "$(api /studies | grep -c '"')"
if [[ -z ${LEADGLASS_PLAIN:-} ]]; then
  same "images in the views after a deletion" 16 "$(find "$MNT/patients" -type f | wc -l)"
fi
stop_orthanc
