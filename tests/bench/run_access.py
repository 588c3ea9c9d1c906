#!/usr/bin/env python3
"""run_access.py --program LEADGLASS --fill FILL_VAULT: what a user waits for who may see little of much.

Fills a vault with --studies studies, one image and one patient each, of which half belong to 1,000 groups in turns
(tests/bench/fill_vault.cc), and another with ten groups; then measures on a real mount, as a member of one of the
1,000 groups: `ls` of /patients, warm and cold (the kernel's caches are dropped, and the vault was just mounted), how
many patients it shows; and a stat of a study by its path, warm, in either vault, in turns.

  --studies N    100000
  --folder DIR   where the vaults lie (a new folder in /var/tmp)
  --rounds N     5
  --json FILE

Needs root, for it becomes other users.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FIRST_GID = 20_000
UID = 60_001


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True, **options)


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


class Member:
    """A process that is in one group only, and answers what its system calls took."""

    PROGRAM = r"""
import os, sys, time
for line in sys.stdin:
    what, path = line.rstrip("\n").split(" ", 1)
    began = time.perf_counter()
    if what == "list":
        result = len(os.listdir(path))
    elif what == "names":
        result = "\x1f".join(os.listdir(path))
    else:
        os.stat(path)
        result = 1
    print(time.perf_counter() - began, result, sep="\t", flush=True)
"""

    def __init__(self, gid):
        self.process = subprocess.Popen(
            ["setpriv", "--reuid", str(UID), "--regid", str(gid), "--clear-groups", sys.executable, "-c", self.PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what, path):
        self.process.stdin.write(f"{what} {path}\n")
        self.process.stdin.flush()
        seconds, result = self.process.stdout.readline().rstrip("\n").split("\t")
        return float(seconds), result

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Mounted:
    def __init__(self, arguments, base, groups):
        self.program, self.groups = arguments.program, groups
        self.folder = base / f"groups{groups}"
        self.folder.mkdir()
        self.vault, self.point, self.passphrase = self.folder / "vault", self.folder / "mount", self.folder / "passphrase"
        self.point.mkdir()
        self.passphrase.write_text("a passphrase for a benchmark\n", encoding="ascii")
        run(arguments.fill, self.vault, self.passphrase, "--images", arguments.studies, "--groups", groups,
            stdout=subprocess.DEVNULL)

    def mount(self):
        run(self.program, "mount", self.vault, self.point, "--passphrase-file", self.passphrase, "--state-dir",
            self.folder / "state")

    def unmount(self):
        run(self.program, "umount", self.point)


def measure(arguments, base):
    many, few = (Mounted(arguments, base, groups) for groups in (1000, 10))
    row = {"studies": arguments.studies, "groups": many.groups}
    cold, shown = [], 0
    for _ in range(arguments.rounds):
        many.mount()
        drop_caches()
        member = Member(FIRST_GID + 7)
        seconds, count = member.ask("list", many.point / "patients")
        cold.append(seconds)
        shown = int(count)
        member.end()
        many.unmount()
    row["patients shown"] = shown
    row["ls cold, ms"] = round(1000 * statistics.median(cold), 1)
    many.mount()
    few.mount()
    member = Member(FIRST_GID + 7)
    warm = [member.ask("list", many.point / "patients")[0] for _ in range(20 * arguments.rounds)]
    row["ls warm, ms"] = round(1000 * statistics.median(warm), 2)
    row["ls warm, slowest, ms"] = round(1000 * max(warm), 2)
    paths = {vault: [vault.point / "patients" / name for name in
                     member.ask("names", vault.point / "patients")[1].split("\x1f")[:40]] for vault in (many, few)}
    lookups = {many: [], few: []}
    for _ in range(20 * arguments.rounds):
        for vault, some in paths.items():
            lookups[vault] += [member.ask("stat", path)[0] for path in some]
    for vault in (few, many):
        row[f"stat with {vault.groups} groups, us"] = round(1e6 * statistics.median(lookups[vault]), 1)
    member.end()
    many.unmount()
    few.unmount()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--fill", required=True)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="leadglass-access-", dir=arguments.folder))
    base.chmod(0o755)  # other users go through it
    try:
        began = time.monotonic()
        row = measure(arguments, base)
        row["all of it, s"] = round(time.monotonic() - began)
    finally:
        for point in base.glob("*/mount"):
            if os.path.ismount(point):
                subprocess.run([arguments.program, "umount", point], check=False)
        shutil.rmtree(base)
    for name, value in row.items():
        print(f"{name}: {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
