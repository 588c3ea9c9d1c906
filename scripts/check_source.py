#!/usr/bin/env python3
"""check_source.py: what must not stand in the sources, each with the reason.

A line that has to be an exception ends in `// lint: <reason>`. Prints each finding; exit status 1
when there is one.
"""
import os
import re
import subprocess
import sys

CODE = r"(crypto|index|fs|sync|cli)/.*\.(h|cc)"
SOURCE = r"(crypto|index|fs|sync|cli|tests)/.*\.(h|cc)"
ANY = r"(?!scripts/check_source\.py).*"

# (where it applies, where it does not, what must not stand there, why)
RULES = [
    (CODE, r"crypto/base/unique_fd\.h", r"(?<![\w.>])(::)?close\(", "UniqueFd closes descriptors"),
    (CODE, r"crypto/(base/secret\.(h|cc)|openssl_ptr\.h)|fs/fuse_\w+_ptr\.h", r"(?<!\w)(?!std::)\w*_free\(",
     "a deleter in one RAII header frees"),
    (CODE, r"", r"(?<![\w.])(std::)?(malloc|calloc|realloc|free)\(", "RAII types own memory"),
    (CODE, r"", r"(?<![\w\"])new [\w:]+[({<\[]", "make_unique, or unique_ptr<T>(new T)"),
    (CODE, r"", r"(?<![\w=])\bdelete\s+[\w(*]|\bdelete\[\]", "RAII types own memory"),
    (CODE, r"crypto/base/mutex\.h", r"std::(mutex|lock_guard|unique_lock|scoped_lock|condition_variable)\b(?!_any)",
     "crypto/base/mutex.h is the mutex that -Wthread-safety checks"),
    (CODE, r"", r"std::thread\b(?!::)", "std::jthread joins"),
    (CODE, r"cli/.*|crypto/base/result\.h|crypto/base/secret\.cc", r"(?<!\w)(std::)?f?printf\(|std::c(out|err)\b", "only cli talks to people"),
    (CODE, r"", r"(?<!\w)assert\(", "LG_CHECK also holds in release builds"),
    (CODE, r"", r"\b(strcpy|strcat|sprintf|gets|strtok|alloca|system|popen|mktemp|tmpnam)\(", "there is a safe way"),
    (CODE, r"", r"std::rand\b|\bs?rand\(|\brandom\(|std::mt19937", "crypto/aead.h RandomBytes, or an injected source"),
    (CODE, r"crypto/.*", r"\bMD5|SHA1\b|EVP_|RAND_bytes", "cryptography is the business of crypto/"),
    (CODE, r"", r"(spdlog|Log|logger|fmt::|Error\(|ToString\().*ExposeForOpenSsl", "key bytes never reach text"),
    (CODE, r"", r"(?i)(spdlog::|log[_-]?>|Log(Info|Warning|Error)\().*(patient|passphrase|secret|display_?name|study_?name)",
     "logs carry ids: no names, no secrets"),
    (SOURCE, r"", r"using namespace (?!std::(chrono_)?literals|std::string_literals)", "names say where they come from"),
    (SOURCE, r"", r"#include <(format|expected|source_location)>", "absent in one of the two compilers"),
    (ANY, r"CHANGELOG\.md", r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", "finish it, or name the issue"),
    (ANY, r"LICENSE", r"[ \t]+$", "white space at the end of a line"),
    (ANY, r"", r"(?<![\w.])/work/|/home/\w+/", "a path of one machine"),
]
MAX_LINES = 500


def findings(path, text):
    lines = text.split("\n")
    for where, but_not, pattern, why in RULES:
        if not re.fullmatch(where, path) or (but_not and re.fullmatch(but_not, path)):
            continue
        for number, line in enumerate(lines, 1):
            code = re.sub(r"//.*", "", line) if path.endswith((".h", ".cc")) and where != ANY else line
            # What a constructor that is private leaves: unique_ptr<T>(new T), on one line or two.
            if "new " in pattern and "unique_ptr<" in lines[number - 2] + code:
                continue
            if re.search(pattern, code) and "// lint: " not in line:
                yield f"{path}:{number}: {line.strip()[:80]}  <- {why}"
    if path.endswith((".h", ".cc", "CMakeLists.txt")) and "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        yield f"{path}:1: the first line is the SPDX line"
    if path.endswith(".h") and lines[1:2] != ["#pragma once"]:
        yield f"{path}:2: the second line is #pragma once"
    if re.fullmatch(SOURCE, path) and len(lines) > MAX_LINES + 1:
        yield f"{path}: {len(lines) - 1} lines: past {MAX_LINES} a file has two subjects"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    problems = []
    for path in tracked:
        if not os.path.isfile(path) or re.match(r"tests/(golden|fuzz/corpus|vectors)/.*", path):
            continue
        with open(path, encoding="utf-8", errors="replace") as source:
            problems += findings(path, source.read())
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
