#!/usr/bin/env python3
"""crash_load.py: what a crash may not take back.

  crash_load.py files|records|log FOLDER PROMISED ID      write until the filesystem goes away
  crash_load.py images FOLDER PROMISED ID SOURCE          the same with the files of SOURCE
  crash_load.py verify FOLDER PROMISED [ID...]            compare (of these writers only)

files: creates, rewrites, renames and removes files. records: overwrites 4 KiB records of one file in
place, as a database does. log: appends. images: copies. Each fsyncs, and notes each step in PROMISED,
outside of the filesystem, after its fsync returned. verify reads every file that is there and
compares all that was promised: contents follow from name and version, so both sides know them.
Writers note a step that may or may not be there after a crash before they take it.
"""
import hashlib
import itertools
import os
import random
import sys

STEP_SIZES = (1, 100, 4096, 5000, 40000, 300000)
RECORD = 4096
RECORDS = 200
LOG_UNIT = 32


def repeated(name, version, size):
    unit = hashlib.sha256(f"{name}/{version}".encode()).digest()
    return (unit * (size // len(unit) + 1))[:size]


def content(name, version):
    return repeated(name, version, STEP_SIZES[int(version) % len(STEP_SIZES)])


def log_bytes(name, start, end):
    first = start // LOG_UNIT
    units = (hashlib.sha256(f"{name}/{i}".encode()).digest() for i in range(first, end // LOG_UNIT + 1))
    return b"".join(units)[start - first * LOG_UNIT:end - first * LOG_UNIT]


def promise(notes, *fields):
    # One write per line: what a dying process notes is a whole line or none.
    os.write(notes, ("\t".join(map(str, fields)) + "\n").encode())


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def write_synced(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_files(folder, notes, writer):
    pick = random.Random(writer)
    for step in itertools.count(1):
        name, version = f"{writer}-{step}", pick.randrange(1000)
        path = os.path.join(folder, name)
        write_synced(path, content(name, version))
        promise(notes, writer, "is", name, name, version)
        if step % 3 == 0:  # replaced the way that careful programs do
            write_synced(path + ".tmp", content(name, version + 1))
            promise(notes, writer, "may", name, name, version + 1)
            os.rename(path + ".tmp", path)
            sync_folder(folder)
            promise(notes, writer, "is", name, name, version + 1)
        if step % 5 == 0:  # renamed
            promise(notes, writer, "leaves", name)
            os.rename(path, path + ".moved")
            sync_folder(folder)
            promise(notes, writer, "is", name + ".moved", name, version + (step % 3 == 0))
        if step % 7 == 0 and step % 5:  # removed
            promise(notes, writer, "leaves", name)
            os.unlink(path)
            sync_folder(folder)
            promise(notes, writer, "gone", name)


def write_records(folder, notes, writer):
    pick = random.Random(writer)
    name = f"{writer}-records"
    fd = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o644)
    for version in itertools.count(1):
        numbers = [pick.randrange(RECORDS) for _ in range(pick.randrange(1, 5))]
        for number in numbers:
            promise(notes, writer, "record-may", name, number, version)
            os.pwrite(fd, repeated(f"{name}/{number}", version, RECORD), number * RECORD)
        os.fdatasync(fd)
        for number in numbers:
            promise(notes, writer, "record", name, number, version)


def write_log(folder, notes, writer):
    pick = random.Random(writer)
    name = f"{writer}-log"
    fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    end = 0
    while True:
        more = pick.choice((1, 80, 4000, 70000))
        write_all(fd, log_bytes(name, end, end + more))
        end += more
        os.fdatasync(fd)
        promise(notes, writer, "log", name, end)


def write_images(folder, notes, writer, source):
    images = sorted(os.path.join(at, name) for at, _, names in os.walk(source) for name in names)
    for step, image in enumerate(itertools.cycle(images)):
        name = f"{writer}-{step}.dcm"
        with open(image, "rb") as file:
            write_synced(os.path.join(folder, name), file.read())
        promise(notes, writer, "image", name, image)


class Promises:
    """What PROMISED says that a folder holds."""

    def __init__(self, path, writers):
        self.files = {}  # name -> acceptable contents; None: absent
        self.records = {}  # name -> number -> acceptable versions
        self.logs = {}  # name -> least length
        with open(path, encoding="utf-8") as notes:
            for line in notes:
                writer, kind, name, *rest = line.rstrip("\n").split("\t")
                if not writers or writer in writers:
                    self.note(kind, name, rest)

    def note(self, kind, name, rest):
        if kind == "is":
            self.files[name] = [("made", *rest)]
        elif kind == "image":
            self.files[name] = [("image", *rest)]
        elif kind == "may":
            self.files[name].append(("made", *rest))
        elif kind == "leaves":
            self.files[name].append(None)
        elif kind == "gone":
            self.files[name] = [None]
        elif kind == "record-may":
            self.records.setdefault(name, {}).setdefault(int(rest[0]), {0}).add(int(rest[1]))
        elif kind == "record":
            self.records[name][int(rest[0])] = {int(rest[1])}
        elif kind == "log":
            self.logs[name] = int(rest[0])


def expected(version):
    if version is None:
        return None
    if version[0] == "image":
        with open(version[1], "rb") as file:
            return file.read()
    return content(*version[1:])


def file_problem(data, versions):
    if any(data == expected(version) for version in versions):
        return None
    return f"{'missing' if data is None else f'{len(data)} wrong bytes'}, promised {versions}"


def records_problem(name, data, records):
    for number, versions in records.items():
        got = (data or b"")[number * RECORD:(number + 1) * RECORD]
        allowed = [b"" if v == 0 else repeated(f"{name}/{number}", v, RECORD) for v in versions]
        if 0 in versions:  # never synced: a hole
            allowed.append(bytes(RECORD))
        if got not in allowed:
            newest = max(max(v) for v in records.values())
            found = [v for v in range(1, newest + 1) if got == repeated(f"{name}/{number}", v, RECORD)]
            return (f"record {number} is none of the versions {sorted(versions)}, but {found} of {newest}"
                    f"{', all zeros' if not any(got) else ''}, {len(data or b'')} bytes in all")
    return None


def log_problem(name, data, length):
    if len(data or b"") < length:
        return f"{len(data or b'')} bytes, promised {length}"
    return None if data == log_bytes(name, 0, len(data)) else "other bytes than were appended"


def verify(folder, promised, writers):
    promises = Promises(promised, writers)
    problems, found = [], {}

    def wanted(name):
        return not writers or any(name.startswith(f"{writer}-") for writer in writers)

    # Files that are there but were never promised have to be readable, too.
    for entry in sorted(os.listdir(folder)):
        if not wanted(entry):
            continue
        try:
            with open(os.path.join(folder, entry), "rb") as file:
                data = file.read()
            keep = entry in promises.records or entry in promises.logs or entry not in promises.files
            found[entry] = data if keep else hashlib.sha256(data).digest()
        except OSError as error:
            problems.append(f"{entry} cannot be read: {error.strerror}")
            continue
        if entry in promises.files:
            problem = file_problem(data, promises.files[entry])
            problems += [f"{entry}: {problem}"] if problem else []
    for name, versions in promises.files.items():
        if name not in found and None not in versions and not any(p.startswith(name) for p in problems):
            problems.append(f"{name}: missing, promised {versions}")
    for name, records in promises.records.items():
        problem = records_problem(name, found.get(name), records)
        problems += [f"{name}: {problem}"] if problem else []
    for name, length in promises.logs.items():
        problem = log_problem(name, found.get(name), length)
        problems += [f"{name}: {problem}"] if problem else []
    print("\n".join(problems[:20]), end="\n" if problems else "")
    return 1 if problems else 0


def main():
    action, folder, promised = sys.argv[1:4]
    if action == "verify":
        return verify(folder, promised, sys.argv[4:])
    writers = {"files": write_files, "records": write_records, "log": write_log, "images": write_images}
    notes = os.open(promised, os.O_WRONLY | os.O_APPEND)
    try:
        writers[action](folder, notes, *sys.argv[4:])
    except OSError:
        pass  # the filesystem went away: that is the point
    return 0


if __name__ == "__main__":
    sys.exit(main())
