# shellcheck shell=bash
# lib.sh: what a frozen vault shows, as text.

# golden_tree DIR: one line a name, with its attributes and the checksum of what it holds, or that it
# does not read; then the extended attributes. Not the access time, and not /incoming, which empties
# itself.
golden_tree() {
  (
    cd "$1" || exit
    find . -path ./incoming -prune -o -printf '%P|%i|%y|%m|%U:%G|%n|%s|%T@|%C@|%l\n' | LC_ALL=C sort
    find . -path ./incoming -prune -o -type f -print0 | LC_ALL=C sort -z | while IFS= read -r -d '' file; do
      printf '%s|%s\n' "$file" "$(sha256sum <"$file" 2>/dev/null || echo 'does not read')"
    done
    find . -path ./incoming -prune -o -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m '^user' 2>/dev/null
  )
}
