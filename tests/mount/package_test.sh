#!/usr/bin/env bash
# The Debian package holds what an installation needs, and what is in it works from where it lies:
# program, mount(8) helper with what /etc/fstab hands it, manual page, completion, systemd unit.
# BUILD_DIR: the build that is packed.
set -euo pipefail
# shellcheck source=tests/mount/lib.sh
source "$SOURCE_DIR/tests/mount/lib.sh"
need_real_mount

# cpack leaves its scratch folder beside the package.
(cd "$BUILD_DIR" && cpack -G DEB -B "$WORK/package") >"$WORK/cpack.log" 2>&1 ||
  fail "cpack: $(tail -n 5 "$WORK/cpack.log")"
deb=$(find "$WORK/package" -maxdepth 1 -name 'leadglass_*.deb')
[[ -f $deb ]] || fail "no package was made"
root=$WORK/root
dpkg-deb -x "$deb" "$root"
for file in usr/bin/leadglass usr/sbin/mount.fuse.leadglass usr/lib/systemd/system/leadglass@.service \
  usr/share/man/man1/leadglass.1 usr/share/bash-completion/completions/leadglass \
  usr/share/doc/leadglass/{copyright,README.md,CHANGELOG.md,cli.md,operations.md,format.md,threat-model.md}; do
  [[ -s $root/$file ]] || fail "the package lacks $file"
done
for needed in fuse3 libfuse3-3 libgdcm libleveldb libssl3 libfmt libqrencode4 libseccomp2; do
  dpkg-deb -f "$deb" Depends | holds "$needed" || fail "the package does not depend on $needed"
done

# Installed, it makes the system user, once.
dpkg-deb -e "$deb" "$WORK/control"
[[ -x $WORK/control/postinst ]] || fail "the package makes no system user"
mkdir "$WORK/bin"
printf '#!/bin/sh\nexit 2\n' >"$WORK/bin/getent"
printf '#!/bin/sh\necho "$@" >>%s\n' "$WORK/useradd" >"$WORK/bin/useradd"
chmod 755 "$WORK/bin"/*
PATH=$WORK/bin:$PATH "$WORK/control/postinst" configure
grep -q -- '--system .* leadglass$' "$WORK/useradd" || fail "what postinst makes: $(cat "$WORK/useradd")"
printf '#!/bin/sh\nexit 0\n' >"$WORK/bin/getent"
PATH=$WORK/bin:$PATH "$WORK/control/postinst" configure
same "users made by an upgrade" 1 "$(wc -l <"$WORK/useradd")"

# Every command that the program has is in its manual page and completes.
export PATH=$root/usr/bin:$root/usr/sbin:$PATH
hash -r
same "the program" "$root/usr/bin/leadglass" "$(command -v leadglass)"
leadglass --version | holds "$(dpkg-deb -f "$deb" Version)" || fail "the package's version is not the program's"
mapfile -t commands < <(leadglass --help | sed -n '/^Subcommands:/,/^$/p' | sed -n 's/^  \([a-z]*\) .*/\1/p')
((${#commands[@]} >= 8)) || fail "only ${#commands[@]} commands in --help"
# shellcheck source=/dev/null
source "$root/usr/share/bash-completion/completions/leadglass"
complete -p leadglass >/dev/null || fail "no completion"
for command in "${commands[@]}"; do
  grep -q "^\.It Cm $command" "$root/usr/share/man/man1/leadglass.1" || fail "the manual page lacks $command"
  grep -q "$command" "$root/usr/share/bash-completion/completions/leadglass" || fail "completion lacks $command"
done

# As mount(8) calls it for a line of /etc/fstab.
unmount_vault
mount.fuse.leadglass "$VAULT" "$MNT" -s -o \
  "rw,noauto,nofail,x-systemd.automount,passphrase-file=$WORK/passphrase,state-dir=$WORK/state,durable-close"
mountpoint -q "$MNT" || fail "the helper returned and nothing is mounted"
echo text >"$MNT/archive/file"
leadglass status "$MNT" --json | holds '"read_only": *false' || fail "status of what the helper mounted"
leadglass umount "$MNT"
mount.fuse.leadglass "$VAULT" "$MNT" -o "ro,passphrase-file=$WORK/passphrase,state-dir=$WORK/state"
same "the file" text "$(<"$MNT/archive/file")"
refused touch "$MNT/archive/other"
leadglass umount "$MNT"
refused mount.fuse.leadglass "$VAULT" "$MNT" -o "sloppy,passphrase-file=$WORK/passphrase,state-dir=$WORK/state"
