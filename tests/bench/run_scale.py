#!/usr/bin/env python3
"""run_scale.py --program LEADGLASS --fill FILL_VAULT: what a vault costs as it grows.

Fills one vault to each of --sizes in turn (tests/bench/fill_vault.cc: small images, so that metadata
is what counts), and at each size measures on a real mount: the time to mount it, clean and after
kill -9 in the middle of an import; stat of a path at random, cold, as it takes from the shell: the
first one after a mount, the median of 60, and the median of 2,000 within one mount, which opens the
index's tables once (the kernel's caches are dropped before either); `ls -l` of a study of 5,000 images, cold; reindex; the daemon's memory after
`find` has seen every name; the bytes that index and log take for an image.

  --sizes N,N,...   images, ascending (10000,100000,1000000)
  --folder DIR      where the vault lies (a new folder in /var/tmp); a million images take 6 GB
  --json FILE, --markdown FILE, --plot FILE.svg (needs gnuplot)
  --from FILE       measures nothing: table and plot of an earlier run's --json

Needs root. A million images take about ten minutes.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

KLARGE, KSTUDY, KEVERY = 5000, 500, 2000  # as in fill_vault.cc


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True, **options)


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


def place(number):
    block, rest = divmod(number, KLARGE + (KEVERY - 1) * KSTUDY)
    if rest < KLARGE:
        return block * KEVERY, rest
    study, instance = divmod(rest - KLARGE, KSTUDY)
    return block * KEVERY + 1 + study, instance


class Mount:
    """The vault, mounted; the program runs in the foreground."""

    def __init__(self, arguments, base):
        self.program, self.base = arguments.program, base
        self.vault, self.point = base / "vault", base / "mount"
        self.passphrase = base / "passphrase"
        self.process = None

    def start(self):
        """Mounts; gives the seconds until the first look at it succeeds."""
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [self.program, "mount", self.vault, self.point, "--foreground", "--passphrase-file", self.passphrase,
             "--state-dir", self.base / "state"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(self.point):
            if self.process.poll() is not None:
                sys.exit("run_scale.py: leadglass ended")
            time.sleep(0.002)
        os.stat(self.point / "archive")
        return time.perf_counter() - started

    def stop(self):
        run(self.program, "umount", self.point, stdout=subprocess.DEVNULL)
        self.process.wait()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        run("umount", "-l", self.point)

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0


def measure(mount, filled):
    images = filled["images"]
    facts = {"images": images, "import, images/s": round(filled["images_per_second"]),
             "index, bytes/image": round(filled["index_bytes"] / images),
             "log, bytes/image": round(filled["log_bytes"] / images)}
    # Once before: the state directory remembers the newest commit that it saw, and a mount proves
    # that the log goes on from there. Nothing was mounted while the vault was filled.
    mount.start()
    mount.stop()
    times = []
    for _ in range(9):  # one alone may wait for what the disk still does behind the last one
        drop_caches()
        times.append(mount.start())
        mount.stop()
    facts["mount clean, s"] = round(statistics.median(times), 3)
    chosen = random.Random(images)
    times = []
    for _ in range(60):
        mount.start()  # has looked at /archive, which every vault has
        drop_caches()
        study, instance = place(chosen.randrange(images))
        path = mount.point / "archive" / str(study) / str(instance)
        started = time.perf_counter()
        os.stat(path)
        times.append(time.perf_counter() - started)
        mount.stop()
    facts["first stat after a mount, us"] = round(statistics.median(times) * 1e6)
    times = []
    mount.start()
    drop_caches()
    for _ in range(2000):
        study, instance = place(chosen.randrange(images))
        path = mount.point / "archive" / str(study) / str(instance)
        started = time.perf_counter()
        os.stat(path)
        times.append(time.perf_counter() - started)
    facts["stat cold, us"] = round(statistics.median(times) * 1e6)
    mount.stop()
    mount.start()
    drop_caches()
    started = time.perf_counter()
    run("ls", "-l", mount.point / "archive" / "0", stdout=subprocess.DEVNULL)
    facts["ls -l of 5,000 cold, ms"] = round((time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    found = run("find", mount.point / "archive", mount.point / "patients", "-type", "f", "-printf", ".",
                stdout=subprocess.PIPE).stdout
    facts["find of all names, s"] = round(time.perf_counter() - started, 1)
    if len(found) != 2 * images:
        sys.exit(f"run_scale.py: find saw {len(found)} files, expected {2 * images}")
    facts["RSS after it, MB"] = round(mount.resident() / 1e6)
    load = mount.point / "archive" / "load"
    load.mkdir(exist_ok=True)
    until = time.monotonic() + 3
    number = 0
    while time.monotonic() < until:
        (load / f"{images}-{number}").write_bytes(b"x" * 1000)
        number += 1
    mount.kill()
    facts["mount after kill, s"] = round(mount.start(), 3)
    for name in load.iterdir():
        name.unlink()
    mount.stop()
    started = time.perf_counter()
    run(mount.program, "reindex", mount.vault, "--passphrase-file", mount.passphrase,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    facts["reindex, s"] = round(time.perf_counter() - started, 1)
    return facts


def measure_all(arguments):
    arguments.folder.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="leadglass-scale.", dir=arguments.folder))
    mount = Mount(arguments, base)
    mount.point.mkdir()
    mount.passphrase.write_text("scale\n", encoding="ascii")
    rows = []
    try:
        for size in map(int, arguments.sizes.split(",")):
            filled = run(arguments.fill, mount.vault, mount.passphrase, "--images", size, stdout=subprocess.PIPE).stdout
            rows.append(measure(mount, json.loads(filled.splitlines()[-1])))
            print(json.dumps(rows[-1]), flush=True)
    finally:
        if os.path.ismount(mount.point):
            run("umount", "-l", mount.point)
        shutil.rmtree(base, ignore_errors=True)
    return rows


def plot(rows, path):
    """A small picture for each row of the table, all over the same axis of images."""
    names = list(rows[0])[1:]
    columns = 4
    script = [f"set terminal svg size {columns * 260},{-(-len(names) // columns) * 200} background 'white' font 'sans,10'",
              f"set output '{path}'", f"set multiplot layout {-(-len(names) // columns)},{columns}",
              "set logscale x", "set format x '10^{%L}'", "set yrange [0:*]", "unset key", "set grid"]
    for name in names:
        points = "\n".join(f"{row['images']} {row[name]}" for row in rows)
        script += [f"set title '{name}' noenhanced", f"$points << END\n{points}\nEND",
                   "plot $points with linespoints pointtype 7 linecolor '#1f5fa8'"]
    run("gnuplot", input="\n".join(script) + "\n")
    lines = path.read_text(encoding="utf-8").splitlines()  # gnuplot leaves spaces at their ends
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--fill")
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    parser.add_argument("--from", dest="earlier", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.earlier:
        rows = json.loads(arguments.earlier.read_text(encoding="utf-8"))
    elif arguments.program and arguments.fill:
        rows = measure_all(arguments)
    else:
        parser.error("--program and --fill, or --from, are needed")
    lines = ["| | " + " | ".join(f"{row['images']:,}" for row in rows) + " |", "| --- |" + " ---: |" * len(rows)]
    lines += [f"| {name} | " + " | ".join(str(row[name]) for row in rows) + " |" for name in list(rows[0])[1:]]
    print("\n".join(lines))
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
