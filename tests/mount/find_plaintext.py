#!/usr/bin/env python3
"""find_plaintext.py SOURCE TEXTS PLACE...: looks in the files and file names of each PLACE for any
run of 16 bytes (with at least 8 distinct ones) of any file below SOURCE, at any offset, and for each
line of TEXTS. Prints what it finds; exit status 1 when there is something.
"""
import os
import sys

RUN, DISTINCT = 16, 8


def files_below(place):
    if os.path.isfile(place):
        yield place
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def runs_of(source):
    runs = set()
    for path in files_below(source):
        with open(path, "rb") as file:
            data = file.read()
        for at in range(len(data) - RUN + 1):
            runs.add(data[at:at + RUN])
    return {run for run in runs if len(set(run)) >= DISTINCT}


def look(data, runs, texts):
    for text in texts:
        if text in data:
            return f"the text {text.decode()!r}"
    for at in range(len(data) - RUN + 1):
        if data[at:at + RUN] in runs:
            return f"16 bytes of a file at offset {at}"
    return None


def main():
    source, texts, *places = sys.argv[1:]
    runs = runs_of(source)
    with open(texts, "rb") as lines:
        wanted = lines.read().splitlines()
    found = 0
    for place in places:
        for path in files_below(place):
            with open(path, "rb") as file:
                # Preallocated zeros hold nothing, and are most of an open segment.
                data = file.read().rstrip(b"\0")
            for what in filter(None, (look(data, runs, wanted), look(os.fsencode(path), (), wanted))):
                print(f"{path}: {what}")
                found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
