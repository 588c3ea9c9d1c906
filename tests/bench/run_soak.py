#!/usr/bin/env python3
"""run_soak.py --program LEADGLASS --soak SOAK: a busy archive for half an hour.

Four importers write studies and delete their oldest ones, four readers compare images at random
(tests/bench/soak.cc), all on one mount with `-o horizon=5s`, so that the room of what is deleted is
given back all the while. Tells the longest call of each kind, how many took more than 250 ms, and
how the daemon's memory and the vault's room on the disk went.

  --minutes N       how long (30)
  --folder DIR      where the vault lies (a new folder in /var/tmp); takes some 10 GB
  --plain           on a plain folder instead: what the disk itself does to such a load
  --json FILE

Needs root.
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

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE_SECONDS = 2


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def room(folder):
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(at, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def wait_for_mount(process, point):
    while not os.path.ismount(point):
        if process.poll() is not None:
            sys.exit("run_soak.py: leadglass ended")
        time.sleep(0.01)


def summary(samples, key):
    """Of the first and the last quarter, once everything has begun, and the most."""
    values = [sample[key] for sample in samples[len(samples) // 10:]]
    quarter = max(1, len(values) // 4)
    return {"first quarter, MB": round(statistics.median(values[:quarter]) / 1e6),
            "last quarter, MB": round(statistics.median(values[-quarter:]) / 1e6),
            "most, MB": round(max(values) / 1e6)}


def failure(returncode, daemon, log):
    """What a failed run says: how the load ended, whether the daemon lives, and the last that it told."""
    ended = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
    text = f"run_soak.py: the load failed ({ended})"
    if daemon:
        lives = "serves" if daemon.poll() is None else f"ended with {daemon.returncode}"
        text += f"; leadglass {lives}, and said last:\n" + "\n".join(
            log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--soak", required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="leadglass-soak.", dir=arguments.folder))
    vault, point, passphrase, log = base / "vault", base / "mount", base / "passphrase", base / "log"
    point.mkdir()
    passphrase.write_text("soak\n", encoding="ascii")
    daemon = None
    try:
        subprocess.run([REPOSITORY / "scripts/gen_study.py", base / "images", "--instances", "200", "--size", "512"],
                       check=True)
        where = point
        if not arguments.plain:
            subprocess.run([arguments.program, "init", vault, "--passphrase-file", passphrase, "--scryptn", "10"],
                           check=True, stdout=subprocess.DEVNULL)
            daemon = subprocess.Popen(
                [arguments.program, "mount", vault, point, "--foreground", "--passphrase-file", passphrase,
                 "--state-dir", base / "state", "-o", "horizon=5s"],
                stdout=subprocess.DEVNULL, stderr=log.open("wb"))
            wait_for_mount(daemon, point)
            where = point / "archive"
        load = subprocess.Popen([arguments.soak, where / "soak", "--images", base / "images",
                                 "--seconds", str(arguments.minutes * 60)], stdout=subprocess.PIPE, text=True)
        samples = []
        while load.poll() is None:
            samples.append({"room": room(point if arguments.plain else vault),
                            "index": 0 if arguments.plain else room(vault / "index"),
                            "memory": resident(daemon.pid) if daemon else 0})
            time.sleep(SAMPLE_SECONDS)
        if load.returncode != 0:
            sys.exit(failure(load.returncode, daemon, log))
        result = json.loads(load.stdout.read())
        result["daemon's memory"] = summary(samples, "memory")
        result["room on the disk"] = summary(samples, "room")
        result["of it the index"] = summary(samples, "index")
        if daemon:
            subprocess.run([arguments.program, "umount", point], check=True, stdout=subprocess.DEVNULL)
            daemon.wait()
            subprocess.run([arguments.program, "check", vault, "--passphrase-file", passphrase], check=True,
                           stdout=subprocess.DEVNULL)
    finally:
        if daemon and daemon.poll() is None:
            subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(base, ignore_errors=True)
    print(json.dumps(result, indent=1))
    print("\n| call | how many | median, ms | 99.9 %, ms | longest, ms | over 250 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, times in result["calls"].items():
        print(f"| {kind} | {times['count']:,} | {times['p50_ms']:.2f} | {times['p999_ms']:.1f} | "
              f"{times['max_ms']:.0f} | {times['over_250_ms']} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
