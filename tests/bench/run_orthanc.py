#!/usr/bin/env python3
"""run_orthanc.py --program LEADGLASS: a real PACS on leadglass, on gocryptfs and on plain ext4.

Orthanc (Debian's) has its storage and its SQLite index on the file system, as it comes: every image is
synced. DCMTK's storescu sends it a study over one association; the file systems take turns in each
round. Then the study is opened as a viewer does: mounted anew, the kernel's caches dropped, the
folders listed, and every slice read from the first to the last; on leadglass through /patients, on the
others from Orthanc's own folders. The pixels of every slice read are compared with those that were sent.

  --rounds N            rounds (3)
  --images N            slices of 525 KB in the study (2000)
  --folder DIR          where vaults and mounts lie (a new folder in /var/tmp): 1.1 GB a file system
  --json FILE           all figures; --markdown FILE: the table

Needs root.
"""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from run_bench import SOURCE, Ext4, Gocryptfs, Leadglass, drop_caches, run

START_SECONDS = 30
SIZE = 512
PIXEL_BYTES = 2 * SIZE * SIZE  # the end of every file; what stands before it Orthanc writes anew


def digest_of(content):
    return hashlib.sha256(content[-PIXEL_BYTES:]).digest()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """Runs while the block that it is used in does."""

    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch
        self.http, self.dicom = free_port(), free_port()
        self.process = None

    def api(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=20) as answer:
            return json.load(answer)

    def __enter__(self):
        self.folder.mkdir()
        configuration = self.scratch / "orthanc.json"
        configuration.write_text(json.dumps({
            "Name": "bench", "StorageDirectory": str(self.folder), "IndexDirectory": str(self.folder),
            "HttpPort": self.http, "DicomPort": self.dicom, "DicomAet": "BENCH", "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "Plugins": []}), encoding="ascii")
        with open(self.scratch / "orthanc.log", "wb") as log:
            self.process = subprocess.Popen(["Orthanc", configuration], stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.api("/system")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"run_orthanc.py: Orthanc does not start: {self.scratch}/orthanc.log")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def store(system, images, count, scratch):
    """Images a second from the first to the last answer of Orthanc."""
    with Orthanc(system.root / "orthanc", scratch) as orthanc:
        os.sync()
        started = time.perf_counter()
        run("storescu", "+sd", "+r", "-aec", "BENCH", "127.0.0.1", orthanc.dicom, images, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        stored = orthanc.api("/statistics")["CountInstances"]
    if stored != count:
        sys.exit(f"run_orthanc.py: {system.name}: Orthanc has {stored} of {count} images")
    return count / seconds


def view(system, digests):
    """MB a second of a viewer that opens the study, from the listing of its folders on."""
    system.remount()
    drop_caches()
    started = time.perf_counter()
    root = system.view or system.root / "orthanc"
    read, seen = 0, set()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            digest = digest_of(content)
            if digest in digests:
                seen.add(digest)
                read += len(content)
            elif system.view:
                sys.exit(f"run_orthanc.py: {system.name}: an image with other bytes than were sent")
    seconds = time.perf_counter() - started
    if seen != digests:
        sys.exit(f"run_orthanc.py: {system.name}: {len(digests - seen)} images are missing")
    return read / seconds / 1e6


def table(results, rounds):
    lines = ["| | leadglass | over ext4 | over gocryptfs |", "| --- | ---: | --- | --- |"]
    for what in ("images stored a second", "a viewer reads the study (MB/s)"):
        values = {name: figures[what] for name, figures in results.items()}
        row = [what, f"{statistics.median(values['leadglass']):,.0f}"]
        for peer in ("ext4", "gocryptfs"):
            ratios = [values["leadglass"][n] / values[peer][n] for n in range(rounds)]
            row.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="leadglass-orthanc.", dir=arguments.folder))
    images = pathlib.Path("/dev/shm") / f"leadglass-bench-images.{os.getpid()}"
    results = {}
    try:
        run(sys.executable, SOURCE / "scripts/gen_study.py", images, "--instances", arguments.images, "--size", SIZE)
        digests = {digest_of(path.read_bytes()) for path in images.rglob("*.dcm")}
        for number in range(arguments.rounds):
            here = base / str(number)
            here.mkdir()
            systems = [Ext4(here), Gocryptfs(here), Leadglass(here, arguments.program)]
            turn = number % len(systems)
            for system in systems[turn:] + systems[:turn]:
                figures = results.setdefault(system.name, {})
                system.create()
                system.mount()
                try:
                    time.sleep(1)
                    for what, value in (
                            ("images stored a second", store(system, images, len(digests), here)),
                            ("a viewer reads the study (MB/s)", view(system, digests))):
                        figures.setdefault(what, []).append(value)
                        print(f"  round {number} {what:32} {system.name:12} {value:10.1f}", flush=True)
                finally:
                    with contextlib.suppress(subprocess.CalledProcessError):
                        system.unmount()
            shutil.rmtree(here)
    finally:
        shutil.rmtree(images, ignore_errors=True)
        shutil.rmtree(base, ignore_errors=True)
    print(table(results, arguments.rounds))
    if arguments.markdown:
        arguments.markdown.write_text(table(results, arguments.rounds) + "\n", encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
