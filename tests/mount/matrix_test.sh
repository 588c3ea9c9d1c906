#!/usr/bin/env bash
# The access matrix: users, studies and operations, each cell as the documents have it, at first and
# after whatever changes who may see what (matrix.py has the users, the operations and the model).
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

pacs() { setpriv --reuid 60010 --regid 60010 --clear-groups "$@"; }
# Another python3 on the way may be root's own.
matrix() { /usr/bin/python3 "$SOURCE_DIR/tests/mount/matrix.py" "$MNT" "$WORK/studies" "$LEADGLASS" "$1"; }

cat >"$WORK/rules.toml" <<'TOML'
default_group = "audio"
[[rule]]
group = "video"
where.Modality = "MR"
[[rule]]
group = "video"
further = ["audio"]
where.Modality = "CR"
TOML
"$LEADGLASS" config set "$MNT" "$WORK/rules.toml" >/dev/null

mkdir "$WORK/studies"
echo mitral >"$WORK/studies/group.pass"
declare -A modalities=([default]=CT [rule]=MR [further]=CR [chgrp]=CT [setfacl]=OT)
seed=0
install -d -o 60010 -g 60010 "$MNT/archive/pacs" "$MNT/archive/own"
for study in "${!modalities[@]}"; do
  seed=$((seed + 1))
  gen_study "$WORK/studies/$study" --instances 1 --size 64 --modality "${modalities[$study]}" --seed $seed
  pacs cp -r "$WORK/studies/$study" "$MNT/archive/pacs"
  pacs chmod 600 "$MNT/archive/pacs/$study"/*/*/*/00001.dcm
  pacs ln "$MNT/archive/pacs/$study"/*/*/*/00001.dcm "$MNT/archive/own/$study.dcm"
done
for uid in 0 60001 60002 60003 60004 60010; do install -d -m 700 -o $uid -g $uid "$MNT/archive/own/$uid"; done

matrix mounted
unmount_vault
"$LEADGLASS" rotate "$VAULT" --passphrase-file "$WORK/passphrase" >/dev/null
mount_vault
matrix rotated
remount
matrix remounted
