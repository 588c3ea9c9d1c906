#!/usr/bin/env python3
"""flip_bit.py VAULT                     flip one bit in the middle of the log's largest data record
flip_bit.py VAULT SEGMENT OFFSET      flip that bit of the log's file SEGMENT (again: restores it)

Prints the two words that name the place. Walks the clear frames as docs/format.md describes them;
needs no key. For demonstrations and tests of a vault that is not mounted.
"""
import glob
import os
import struct
import sys

HEADER = 4096  # of a segment
MAGIC, DATA = b"LGrc", 1


def data_records(path):
    """Yields (length, offset) of each data record of a segment file."""
    with open(path, "rb") as segment:
        offset = HEADER
        while True:
            segment.seek(offset)
            frame = segment.read(16)
            if len(frame) < 16 or frame[:4] != MAGIC:
                return
            kind, length = frame[8], struct.unpack_from("<I", frame, 12)[0]
            if kind == DATA:
                yield length, offset
            offset += max(length, 16)


def main():
    log = os.path.join(sys.argv[1], "log")
    if len(sys.argv) == 4:
        segment, offset = sys.argv[2], int(sys.argv[3])
    else:
        records = [(length, path, at) for path in sorted(glob.glob(log + "/*/*.seg"))
                   for length, at in data_records(path)]
        if not records:
            sys.exit("flip_bit: no data record in " + log)
        length, path, at = max(records)
        segment, offset = os.path.relpath(path, log), at + length // 2
    with open(os.path.join(log, segment), "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
    print(segment, offset)


if __name__ == "__main__":
    main()
