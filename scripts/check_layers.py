#!/usr/bin/env python3
"""check_layers.py: the arrows between folders, and the fence around third-party libraries.

Looks at every #include of every tracked source file. A folder may include itself and what the table
names. A third-party header may be seen, directly or through our own headers, only where the fence
lets it: so a library cannot leak from one layer into another through a header.
Prints each violation; exit status 1 when there is one.
"""
import functools
import os
import re
import subprocess
import sys

# A file belongs to the longest of these prefixes that fits.
MAY_INCLUDE = {
    "crypto/base": [],
    "crypto/log": ["crypto/base", "crypto"],
    "crypto": ["crypto/base", "crypto/log"],
    "index": ["crypto"],
    "fs": ["index", "crypto"],
    "sync": ["index", "crypto"],  # never fs, and fs never sync: they are joined in cli
    "cli": ["fs", "sync", "index", "crypto"],
    "tests": ["cli", "fs", "sync", "index", "crypto"],
}
# The clear framing needs no key, and is what a process without keys links (crypto/CMakeLists.txt).
KEYLESS = re.compile(r"^add_library\(leadglass_framing\b[^)]*\)", re.M)
HOLDS_KEYS = {"crypto/aead.h", "crypto/vault_keys.h", "crypto/study_keys.h", "crypto/log/sealed_log.h",
              "crypto/base/secret.h"}
# Third-party header -> the paths that may see it.
FENCE = {
    r"openssl/": r"crypto/(?!base/).*|tests/crypto/.*",
    r"isa-l|crc\.h": r"crypto/.*",
    r"leveldb/": r"index/.*|tests/index/.*|tests/fault/.*",
    r"gdcm": r"index/.*|tests/index/.*",
    r"unicode/": r"index/.*|tests/index/.*",
    r"qrencode\.h": r"cli/qr_code\.cc|tests/cli/qr_code_test\.cc",
    r"seccomp\.h": r"index/.*|cli/.*",
    r"fuse": r"fs/fuse_.*|tests/fs/fuse_.*",
    r"toml": r"fs/configuration\.cc",
    r"CLI/": r"cli/.*|tests/bench/.*",
    r"spdlog/": r"cli/.*",
    r"nlohmann/": r"cli/.*|tests/.*",
    r"g(test|mock)/": r"tests/.*",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def layer_of(path):
    fitting = [layer for layer in MAY_INCLUDE if path.startswith(layer + "/")]
    return max(fitting, key=len, default=None)


@functools.lru_cache(None)
def includes(path):
    with open(path, encoding="utf-8") as source:
        return INCLUDE.findall(source.read())


def reachable(path, seen):
    """Our own headers that `path` pulls in, and itself."""
    seen.add(path)
    for kind, name in includes(path):
        if kind == '"' and name not in seen and os.path.exists(name):
            reachable(name, seen)
    return seen


def allowed(layer, other):
    return other == layer or any(other == to or other.startswith(to + "/") for to in MAY_INCLUDE[layer])


def check(path):
    layer = layer_of(path)
    for kind, name in includes(path):
        if kind != '"':
            continue
        if not os.path.exists(name):
            yield f'{path}: "{name}" is no file below the top folder'
        elif not allowed(layer, layer_of(name)):
            yield f"{path}: {layer} may not include {name}"
    for header in sorted(reachable(path, set())):
        for kind, name in includes(header):
            for pattern, where in FENCE.items():
                if kind == "<" and re.match(pattern, name) and not re.fullmatch(where, path):
                    yield f"{path}: sees <{name}> through {header}"


def check_keyless():
    with open("crypto/CMakeLists.txt", encoding="utf-8") as lists:
        target = KEYLESS.search(lists.read())
    for source in re.findall(r"\S+\.cc", target[0]) if target else []:
        for header in sorted(reachable("crypto/" + source, set()) & HOLDS_KEYS):
            yield f"crypto/{source}: the keyless framing reaches {header}"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    files = subprocess.run(["git", "ls-files", "*.h", "*.cc"], capture_output=True, text=True, check=True)
    paths = [p for p in files.stdout.split() if layer_of(p) and os.path.exists(p)]
    problems = [p for path in paths for p in check(path)] + list(check_keyless())
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
