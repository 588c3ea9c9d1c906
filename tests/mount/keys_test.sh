#!/usr/bin/env bash
# A group's own passphrase closes its studies to everyone, root and open files included, and keeps no
# modality out; a shredded study is gone for good, and the one beside it is whole.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

video=$(getent group video | cut -d : -f 3)
member() { setpriv --reuid 60002 --regid "$video" --clear-groups "$@"; }
pacs() { setpriv --reuid 60010 --regid 60010 --clear-groups "$@"; }
group() { "$LEADGLASS" group "$@"; }
checksum() { sha256sum "$1" | cut -d ' ' -f 1; }
# said WHAT TEXT COMMAND...: fails, and says that.
said() {
  local what=$1 text=$2
  shift 2
  if "$@" >"$WORK/out" 2>&1; then fail "$what: was allowed"; fi
  grep -q "$text" "$WORK/out" || fail "$what: said $(tail -n 1 "$WORK/out")"
}
no_key() { said "$1" "Required key not available" "${@:2}"; }

cat >"$WORK/rules.toml" <<'END'
default_group = "audio"
[[rule]]
group = "video"
where.Modality = "MR"
END
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null
install -d -o 60010 -g 60010 "$MNT/archive/pacs"
gen_study "$WORK/mr" --instances 3 --size 64 --modality MR --seed 1
gen_study "$WORK/ct" --instances 3 --size 64 --modality CT --seed 2
pacs cp -r "$WORK/mr" "$WORK/ct" "$MNT/archive/pacs"
mr=$(find "$MNT/archive/pacs/mr" -name 00001.dcm) ct=$(find "$MNT/archive/pacs/ct" -name 00001.dcm)
mr_sum=$(checksum "$mr") ct_sum=$(checksum "$ct")
mr_view=$(find "$MNT/patients" -samefile "$mr")
mr_study=$(dirname "$(dirname "$mr_view")")
mr_uid=$(getfattr --absolute-names --only-values -n user.dicom.StudyInstanceUID "$mr")

# ---- A passphrase of the group's own
echo mitral >"$WORK/group.pass"
echo aortic >"$WORK/wrong.pass"
said "a group without a passphrase" "no passphrase" group lock "$MNT" video
group list "$MNT" | holds "^video($video)  no passphrase  1 study keys" || fail "group list: $(group list "$MNT")"
group passphrase "$MNT" video --new-passphrase-file "$WORK/group.pass" >/dev/null
same "unlocked for who set it" "$mr_sum" "$(checksum "$mr")"

# Open, mapped and cached before the lock.
cat >"$WORK/holder.py" <<'PYTHON'
import mmap, os, signal, sys
image = os.open(sys.argv[1], os.O_RDONLY)
mapped = mmap.mmap(image, 0, prot=mmap.PROT_READ)
first = mapped[0] + len(os.read(image, 4096))
print("open", flush=True)
sys.stdin.readline()
try:
    os.pread(image, 4096, 0)
    print("read it", flush=True)
except OSError as error:
    print(error.strerror, flush=True)
child = os.fork()
if child == 0:
    mapped[4096 * 2]
    os._exit(0)
_, status = os.waitpid(child, 0)
print("mapped", signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "read it", flush=True)
sys.stdin.readline()
print(len(os.pread(image, 4096, 0)), mapped[0] == 0, flush=True)
PYTHON
coproc HOLDER { member /usr/bin/python3 "$WORK/holder.py" "$mr_view"; }
read -r line <&"${HOLDER[0]}"
same "the holder" open "$line"
member cat "$mr_view" >/dev/null

group lock "$MNT" video >/dev/null
echo go >&"${HOLDER[1]}"
read -r line <&"${HOLDER[0]}"
same "an open file of a locked group" "Required key not available" "$line"
read -r line <&"${HOLDER[0]}"
same "a page that was mapped before" "mapped SIGBUS" "$line"
no_key "root, in the view" cat "$mr_view"
no_key "root, in the archive" cat "$mr"
no_key "a member" member cat "$mr_view"
no_key "a writer" dd if=/dev/zero of="$mr" bs=1 count=1 conv=notrunc status=none
no_key "chgrp out of it" chgrp audio "$mr_study"
# A study that is given to it while it is locked closes as well, also what the kernel had of it.
gen_study "$WORK/given" --instances 1 --size 64 --modality CT --seed 4
pacs cp -r "$WORK/given" "$MNT/archive/pacs"
given=$(find "$MNT/archive/pacs/given" -type f)
exec {given_fd}<"$given"
cat "$given" >/dev/null
chgrp video "$(dirname "$(dirname "$(find "$MNT/patients" -samefile "$given")")")"
no_key "a study that was given to it" cat "$given"
closed() { ! head -c 10 <&$given_fd >/dev/null 2>&1; }
wait_for 5 "the pages of a study that was given to it" closed
exec {given_fd}<&-
same "the study that was not" "$ct_sum" "$(checksum "$ct")"
same "names stay" 3 "$(find "$mr_study" -type f | wc -l)"
same "the other group" "$ct_sum" "$(checksum "$ct")"
group list "$MNT" --json | holds '"locked": true' || fail "group list --json"
"$LEADGLASS" status "$MNT" | holds "^locked group  *video$" || fail "status does not show the locked group"

# No modality is refused, not one that sends an image again.
gen_study "$WORK/mr2" --instances 2 --size 64 --modality MR --seed 3
pacs cp -r "$WORK/mr2" "$MNT/archive/pacs"
pacs cp "$WORK/mr${mr#"$MNT/archive/pacs/mr"}" "$mr"
mr2=$(find "$MNT/archive/pacs/mr2" -name 00001.dcm)
[[ -n $(find "$MNT/patients" -samefile "$mr2") ]] || fail "an image for a locked group is not filed"
no_key "an image that came while it was locked" cat "$mr2"
no_key "one that was sent again" cat "$mr"
same "check" 0 "$("$LEADGLASS" status "$MNT" --json | python3 -c 'import json, sys; print(json.load(sys.stdin).get("unfiled", 0))')"

said "another passphrase" "does not" group unlock "$MNT" video --group-passphrase-file "$WORK/wrong.pass"
no_key "after another passphrase" cat "$mr"
group unlock "$MNT" video --group-passphrase-file "$WORK/group.pass" >/dev/null
echo go >&"${HOLDER[1]}"
read -r line <&"${HOLDER[0]}"
same "the open file again" "4096 True" "$line"
wait "$HOLDER_PID" || fail "the holder"
same "what was sent again" "$mr_sum" "$(checksum "$mr")"
same "what came while it was locked" "$(checksum "$WORK/mr2${mr2#"$MNT/archive/pacs/mr2"}")" "$(checksum "$mr2")"

# Another key for a group, and the passphrase away and back again.
"$LEADGLASS" rotate "$MNT" --group audio >/dev/null
said "a group with a passphrase" "has a passphrase" "$LEADGLASS" rotate "$MNT" --group video
group passphrase "$MNT" video --remove >/dev/null
group list "$MNT" | holds "^video($video)  no passphrase" || fail "group list after --remove: $(group list "$MNT")"
group passphrase "$MNT" video --new-passphrase-file "$WORK/group.pass" >/dev/null
same "after other keys" "$mr_sum $ct_sum" "$(checksum "$mr") $(checksum "$ct")"

# Each mount begins locked; nothing of it is damage.
remount
no_key "after a remount" cat "$mr"
unmount_vault
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >"$WORK/out" || fail "check: $(cat "$WORK/out")"
grep -q "^6 files were not read: their groups are locked" "$WORK/out" || fail "check says: $(cat "$WORK/out")"
said "lock without a mount" "not mounted" group lock "$VAULT" video
mount_vault
group unlock "$MNT" video --group-passphrase-file "$WORK/group.pass" >/dev/null
same "after all that" "$mr_sum" "$(checksum "$mr")"

# ---- Shredding
exec {open}<"$ct"
"$LEADGLASS" hold add "$MNT" "$mr_uid" --reason 'a lawsuit' >/dev/null
said "a study on hold" "not permitted" "$LEADGLASS" study shred "$MNT" "$mr_uid" --reason over --yes
said "without --yes" "nothing was done" "$LEADGLASS" study shred "$ct" --reason over
refused "$LEADGLASS" study shred "$ct" --yes
same "before" "$ct_sum" "$(checksum "$ct")"
"$LEADGLASS" study shred "$ct" --reason 'retention is over' --yes | holds "^shredded: 3 images" || fail "study shred"
said "a shredded image" "Key has been revoked" cat "$ct"
said "one that was open" "Key has been revoked" head -c 100 <&$open
exec {open}<&-
same "its place in the views" "" "$(find "$MNT/patients" -samefile "$ct")"
same "its name and size" "$(stat -c %s "$WORK/ct${ct#"$MNT/archive/pacs/ct"}")" "$(stat -c %s "$ct")"
same "the study beside it" "$mr_sum" "$(checksum "$mr")"
kill_daemon
mount_vault
said "after a crash" "Key has been revoked" cat "$ct"
group unlock "$MNT" video --group-passphrase-file "$WORK/group.pass" >/dev/null
same "the study beside it, after a crash" "$mr_sum" "$(checksum "$mr")"

# What a PACS does with what is gone: it removes it, or the modality sends it again.
pacs rm "$(find "$MNT/archive/pacs/ct" -name 00002.dcm)"
pacs cp "$WORK/ct${ct#"$MNT/archive/pacs/ct"}" "$ct"
same "sent again" "$ct_sum" "$(checksum "$ct")"
[[ -n $(find "$MNT/patients" -samefile "$ct") ]] || fail "sent again, it is not filed"

trail=$("$LEADGLASS" audit "$MNT")
for event in "group-key  ok" "lock  ok" "unlock  ok" "unlock  EACCES" "read  ENOKEY" "shred  ok" "shred  EPERM" "retention is over"; do
  grep -q "$event" <<<"$trail" || fail "no '$event' in the trail: $trail"
done
unmount_vault
"$LEADGLASS" check "$VAULT" --passphrase-file "$WORK/passphrase" >"$WORK/out" || fail "check: $(cat "$WORK/out")"
