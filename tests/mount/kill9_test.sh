#!/usr/bin/env bash
# kill -9 of the daemon under load loses nothing that was fsynced, and leaves every file readable.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
# shellcheck source=tests/mount/crash_rounds.sh
source "$SOURCE_DIR/tests/mount/crash_rounds.sh"
need_real_mount

crash() { kill_daemon; }
comes_back() { :; }
crash_rounds 5 200
