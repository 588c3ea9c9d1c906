# shellcheck shell=bash
# lib.sh: what a mount test has at hand. Sourced by every *_test.sh, which run_mount_test.sh starts
# with WORK (its own scratch folder), VAULT, MNT (mount point) and LEADGLASS (the program) set.
# With LEADGLASS_PLAIN=1 MNT is a plain folder: the test's own expectations are tried on ext4.

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# same WHAT EXPECTED ACTUAL
same() { [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"; }

# ... | holds PATTERN: whether grep(1) finds it; takes its options. Behind a pipe `grep -q` would end at
# the first line found, and whoever writes on would fail, and the pipe with it, whatever was found.
holds() { grep "$@" | cat >/dev/null; }

# refused COMMAND...: passes when the command fails.
refused() {
  if "$@" 2>/dev/null; then fail "was allowed: ${*//$WORK/}"; fi
}

skip() {
  echo "SKIPPED: $*"
  exit 77
}

need_real_mount() {
  if [[ -n ${LEADGLASS_PLAIN:-} ]]; then skip "needs a real mount"; fi
}

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds, at ever longer intervals.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2 pause=50
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited in vain for $what"
    sleep "0.$(printf '%03d' $pause)"
    pause=$((pause < 400 ? pause * 5 / 4 : 500))
  done
}

daemon_pid() { cat "$WORK/daemon.pid"; }

# mount_vault [OPTION...]: mounts VAULT at MNT; the daemon's log is appended to WORK/daemon.log.
# shellcheck disable=SC2120 # options are passed by some tests
mount_vault() {
  [[ -z ${LEADGLASS_PLAIN:-} ]] || return 0
  local before
  before=$(times_mounted)
  "$LEADGLASS" mount "$VAULT" "$MNT" --foreground --passphrase-file "$WORK/passphrase" \
    --state-dir "$WORK/state" "$@" >>"$WORK/daemon.log" 2>&1 &
  echo $! >"$WORK/daemon.pid"
  local deadline=$((SECONDS + ${MOUNT_SECONDS:-20}))
  # What stands at MNT does not tell: until it is detached, a dead mount answers out of caches.
  until (($(times_mounted) > before)); do
    kill -0 "$(daemon_pid)" 2>/dev/null || fail "mount gave up: $(tail -n 3 "$WORK/daemon.log")"
    ((SECONDS < deadline)) || fail "not mounted after ${MOUNT_SECONDS:-20} s"
    sleep 0.02
  done
}

# How often a daemon said that its mount is usable.
times_mounted() { grep -c ' mounted$' "$WORK/daemon.log" || true; }

# Waits until the daemon has gone: only then the vault is closed.
unmount_vault() {
  [[ -z ${LEADGLASS_PLAIN:-} ]] || return 0
  local before
  before=$(times_mounted)
  "$LEADGLASS" umount "$MNT" || fail "umount"
  wait_for 20 "the end of the daemon" daemon_gone
}
daemon_gone() { ! kill -0 "$(daemon_pid)" 2>/dev/null; }

remount() {
  unmount_vault
  mount_vault
}

# kill -9, and what a machine does afterwards: the mount point is dead until somebody mounts again.
kill_daemon() {
  [[ -z ${LEADGLASS_PLAIN:-} ]] || return 0
  kill -9 "$(daemon_pid)"
  wait_for 10 "the daemon to die" daemon_gone
}

# A free TCP port. Another process may take it before it is used: tests retry their server's start.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# gen_study OUT ARGUMENT...
gen_study() { "$SOURCE_DIR/scripts/gen_study.py" "$@"; }

# checksums DIR: one line a file, sorted by name.
checksums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 -r sha256sum); }

# tree_facts DIR: all that a copy has to keep: type, mode, owner, time to the nanosecond, size,
# target, contents, and which names are one file. Not the number of links: in the mount an image
# also counts its name in /patients.
tree_facts() {
  (cd "$1" && find . ! -name . -printf '%P|%y|%m|%U:%G|%l|%T@|' \
    \( -type f -printf '%s\n' -o -printf '\n' \) | LC_ALL=C sort && checksums . &&
    find . -type f -printf '%i %P\n' | LC_ALL=C sort | awk '{
      inode = $1; sub(/^[0-9]+ /, ""); if (inode == last) print "one file: " first " " $0; else first = $0
      last = inode }' | LC_ALL=C sort)
}
