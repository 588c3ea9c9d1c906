#!/usr/bin/env python3
"""corpus_expected.py EXPECTED.TSV MOUNT PROGRAM: compares /patients with what another DICOM reader
found in a corpus that was copied to MOUNT/archive/corpus.

A readable file stands in the view, with the patient, study and series that the table gives it, its
name as the same text, and apart from files of other patients, studies and series. Every other file
is listed by `PROGRAM status --json` with a reason. Prints each difference; exit status 1 on any that
DIFFERS does not explain.
"""
import ast
import collections
import csv
import json
import os
import subprocess
import sys
import unicodedata

# File -> why this project reads it otherwise than the table, and is right.
DIFFERS = {
    "made/layout/deep-60.dcm": "nested deeper than 32: a limit, listed by status",
    "made/layout/deflated-bomb.dcm": "its patient stands behind 200 MiB of zeros: a limit, listed by status",
    "made/values/pid-nul.dcm": "the PatientID holds a NUL, which the table could not show",
    "made/values/pid-nfc.dcm": "the same PatientID as pid-nfd.dcm, canonically equivalent text: one patient",
}
MAX_ATTRIBUTE_BYTES = 1024  # user.dicom.* values are cut there
COLUMNS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientName")


def attribute(path, keyword):
    try:
        return os.getxattr(path, "user.dicom." + keyword).decode("utf-8")
    except OSError:
        return ""


def written(text):
    """A value of the table as the file has it: several values in one backslash apart, not as a Python list."""
    if text.startswith("['"):
        text = "\\".join(ast.literal_eval(text))
    else:
        text = text.replace("\\n", "\n").replace("\\t", "\t")
    return text.encode()[:MAX_ATTRIBUTE_BYTES].decode(errors="ignore")


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def plain(text):
    """Padding, composition and empty trailing name components carry no meaning."""
    return unicodedata.normalize("NFC", text).strip(" \0").rstrip("^= ")


def in_view(mount):
    names = {}
    for folder, _, files in os.walk(os.path.join(mount, "patients")):
        for name in files:
            path = os.path.join(folder, name)
            names[os.stat(path).st_ino] = os.path.relpath(path, mount).split(os.sep)[1:]
    return names


def differences(rows, mount, listed):
    view = in_view(mount)
    owners = collections.defaultdict(set)  # a folder of the view -> whose it is, by the table
    for row in rows:
        path = os.path.join(mount, "archive/corpus", row["file"])
        shown = view.get(os.stat(path).st_ino)
        readable = row["readable"] in ("yes", "yes-no-preamble")
        if not readable:
            if "/archive/corpus/" + row["file"] not in listed and not shown:
                yield row["file"], f"is {row['readable']}: neither in the view nor in status"
            continue
        if not shown:
            yield row["file"], "is readable and stands in no view"
            continue
        for column in COLUMNS:
            if plain(attribute(path, column)) != plain(written(row[column])):
                yield row["file"], f"{column}: {attribute(path, column)!r}, the table has {row[column]!r}"
        patient = (row["IssuerOfPatientID"], row["PatientID"]) if row["PatientID"] else row["StudyInstanceUID"]
        owners[shown[0]].add((patient, row["file"]))
        owners["/".join(shown[:2])].add(((patient, row["StudyInstanceUID"]), row["file"]))
        owners["/".join(shown[:3])].add((row["SeriesInstanceUID"], row["file"]))
    for owned in owners.values():
        if len({owner for owner, _ in owned}) > 1:
            names = sorted(name for _, name in owned)
            yield names[0], f"shares a folder with strangers: {names[1:4]}"


def main():
    table, mount, program = sys.argv[1:]
    with open(table, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t",
                                   quoting=csv.QUOTE_NONE))
    status = subprocess.run([program, "status", mount, "--json"], capture_output=True, text=True, check=True)
    listed = set(strings(json.loads(status.stdout)))
    found = [(name, what) for name, what in differences(rows, mount, listed) if name not in DIFFERS]
    for name, what in found:
        print(f"{name}: {what}")
    print(f"{len(rows)} files compared, {len(found)} differences, {len(DIFFERS)} explained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
