#!/usr/bin/env python3
"""run_bench.py --program LEADGLASS --workload FS_WORKLOAD: leadglass beside its peers, on real mounts.

Plain ext4 (the folder below which all vaults lie), gocryptfs, and libfuse's passthrough where its
example can be compiled, take turns with leadglass in every round of every workload, so that a noisy
machine slows all of them. What counts is the ratio within a round; the table shows its median and
spread. Every file read is compared with what was written.

  --rounds N            rounds (3)
  --only NAME,NAME      these workloads only
  --before PROGRAM      in place of all peers another build of leadglass, called "before"
  --folder DIR          where vaults and mounts lie (a new folder in /var/tmp)
  --json FILE           all figures; --markdown FILE: the table
  --images N            images of 525 KB in a study (200)
  --pause SECONDS       before each measurement (1)

Needs root: it mounts, and drops the caches of the kernel before everything that is called cold.
"""
import argparse
import contextlib
import grp
import json
import os
import pathlib
import platform
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PASSTHROUGH_SOURCE = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"
SEGMENT = 64 << 20  # of leadglass
MIB = 1 << 20
# Nobody's numbers: a group, a user who is in it, and one whom an access list names.
GROUP, MEMBER, OTHER_USER = 64123, 64124, 64125
AS_MEMBER = ["setpriv", "--reuid", MEMBER, "--regid", MEMBER, "--groups", GROUP]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True, **options)


def output(*command):
    return run(*command, stdout=subprocess.PIPE).stdout


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


def device_writes(folder):
    """Bytes that the disk below `folder` was given to write, since the machine started."""
    device = os.stat(folder).st_dev
    stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text(encoding="ascii")
    return int(stat.split()[6]) * 512


def writes_when_idle(folder):
    """device_writes() once it has stood still for a second; half a minute is waited for that."""
    before = -1
    for _ in range(30):
        os.sync()
        now = device_writes(folder)
        if now == before:
            break
        before = now
        time.sleep(1)
    return before


def disk_usage(folder):
    return int(output("du", "-s", "--block-size=1", folder).split()[0])


class FileSystem:
    """One of those compared: its vault or folder, and its mount."""

    name = ""

    def __init__(self, base):
        self.base = base / self.name
        self.store = self.base / "store"
        self.mount_point = self.base / "mount"
        self.store.mkdir(parents=True)
        self.mount_point.mkdir()

    def create(self):
        """Makes the vault."""

    def mount(self):
        """Mounts it."""

    def unmount(self):
        """Unmounts it."""

    def remount(self):
        """Forgets what the program itself caches."""
        self.unmount()
        self.mount()

    @property
    def root(self):
        """The folder that workloads write to."""
        return self.mount_point

    # A folder in which they are read, too, where users have another one.
    view = None

    def used(self):
        """Bytes on the disk."""
        return disk_usage(self.store)

    def cpu_seconds(self):
        """CPU time of the file system's own processes since it was mounted."""
        return 0.0

    def bytes_of_prepared_room(self):
        """Bytes that were written in idle time, before there was anything to write, and are used by now."""
        return 0


def processes_cpu(*pids):
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += sum(int(f) for f in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid):
    found = [pid]
    for line in output("ps", "-eo", "pid=,ppid=").splitlines():
        child, parent = map(int, line.split())
        if parent in found:
            found.append(child)
    return found


class Ext4(FileSystem):
    name = "ext4"

    @property
    def root(self):
        return self.store


class ForegroundFileSystem(FileSystem):
    """One whose program stays in the foreground while it is mounted."""

    process = None

    def start(self, *command):
        self.process = subprocess.Popen([str(c) for c in command])
        while not os.path.ismount(self.mount_point):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended")
            time.sleep(0.01)

    def unmount(self):
        run("fusermount3", "-u", self.mount_point)
        self.process.wait()

    def cpu_seconds(self):
        return processes_cpu(self.process.pid)


class Gocryptfs(ForegroundFileSystem):
    name = "gocryptfs"

    def __init__(self, base):
        super().__init__(base)
        self.passfile = self.base / "passphrase"
        self.passfile.write_text("benchmark\n", encoding="ascii")

    def create(self):
        run("gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", self.passfile, self.store)

    def mount(self):
        self.start("gocryptfs", "-q", "-fg", "-allow_other", "-passfile", self.passfile, self.store, self.mount_point)


class Passthrough(ForegroundFileSystem):
    name = "passthrough"

    def __init__(self, base):
        super().__init__(base)
        self.program = base / "passthrough_ll"
        flags = output("pkg-config", "--cflags", "--libs", "fuse3").split()
        source = base / "passthrough_ll.c"
        shutil.copy(PASSTHROUGH_SOURCE, source)
        helpers = pathlib.Path(PASSTHROUGH_SOURCE).with_name("passthrough_helpers.h")
        shutil.copy(helpers, base)
        run("cc", "-O2", "-o", self.program, source, *flags)

    @staticmethod
    def available():
        return os.path.exists(PASSTHROUGH_SOURCE)

    def mount(self):
        self.start(self.program, "-f", "-o", f"allow_other,writeback,cache=always,source={self.store}", self.mount_point)


class Leadglass(FileSystem):
    def __init__(self, base, program, name="leadglass"):
        self.name = name
        super().__init__(base)
        self.program = program
        self.passfile = self.base / "passphrase"
        self.passfile.write_text("benchmark\n", encoding="ascii")
        self.vault = self.store / "vault"
        self.process = None

    def create(self):
        run(self.program, "init", self.vault, "--passphrase-file", self.passfile, "--scryptn", "10",
            stdout=subprocess.DEVNULL)

    def mount(self):
        self.process = subprocess.Popen(
            [self.program, "mount", self.vault, self.mount_point, "--foreground", "--passphrase-file", self.passfile,
             "--state-dir", self.base / "state", "-o", "allow_other"],
            stdout=subprocess.DEVNULL)
        while not os.path.ismount(self.mount_point) or not (self.mount_point / "archive").exists():
            if self.process.poll() is not None:
                raise RuntimeError("leadglass ended")
            time.sleep(0.01)

    def unmount(self):
        run(self.program, "umount", self.mount_point, stdout=subprocess.DEVNULL)
        self.process.wait()

    @property
    def root(self):
        return self.mount_point / "archive"

    @property
    def view(self):
        return self.mount_point / "patients"

    def cpu_seconds(self):
        return processes_cpu(*children(self.process.pid))

    def bytes_of_prepared_room(self):
        # Segments that were filled with zeros since the mount. They are numbered, and the newest one lies there
        # until it is used.
        numbers = [int(spare.name.rpartition("-")[2]) for spare in (self.vault / "log").glob("spare-*")]
        return max(numbers, default=0) * SEGMENT


class Bench:
    """Rounds of workloads over all file systems."""

    def __init__(self, arguments, base):
        self.arguments = arguments
        self.base = base
        self.images = pathlib.Path("/dev/shm") / f"leadglass-bench-images.{os.getpid()}"
        run(sys.executable, SOURCE / "scripts/gen_study.py", self.images, "--instances", arguments.images, "--size", "512")
        self.systems = [Ext4(base), Gocryptfs(base)]
        if Passthrough.available():
            self.systems.append(Passthrough(base))
        if arguments.before:
            self.systems = [Leadglass(base, arguments.before, "before")]
        self.systems.append(Leadglass(base, arguments.program))
        self.results = []  # {"workload", "system", "round", "rate" or "value", ...}

    def close(self):
        for system in self.systems:
            if os.path.ismount(system.mount_point):
                with contextlib.suppress(subprocess.CalledProcessError):
                    system.unmount()
        shutil.rmtree(self.images, ignore_errors=True)

    def start(self):
        for system in self.systems:
            system.create()
            system.mount()

    def call(self, system, workload, folder, *options, prefix=()):
        folder.mkdir(parents=True, exist_ok=True)
        before = system.cpu_seconds()
        line = output(*prefix, self.arguments.workload, workload, folder, *options)
        found = json.loads(line)
        found["daemon_cpu"] = system.cpu_seconds() - before
        return found

    def note(self, name, system, round_number, value, found):
        """`value`: more is better."""
        self.results.append({"workload": name, "system": system.name, "round": round_number, "value": value, **found})

    def wanted(self, name):
        only = self.arguments.only
        return not only or any(name.startswith(prefix) for prefix in only.split(","))

    def each(self, name, round_number, work):
        """Calls work(system) for each file system, in an order that turns with the rounds."""
        if not self.wanted(name):
            return
        turn = round_number % len(self.systems)
        for system in self.systems[turn:] + self.systems[:turn]:
            os.sync()
            time.sleep(self.arguments.pause)  # what a file system does in idle time is not another's burden
            value, found = work(system)
            self.note(name, system, round_number, value, found)
            print(f"  round {round_number} {name:24} {system.name:12} {value:12.1f}", flush=True)
            # A second figure of the same run: what it cost the file system's own processes.
            if name in ("import 1", "cold read 1") and found["daemon_cpu"] > 0:
                self.note(f"CPU of {name}", system, round_number, found["bytes"] / found["daemon_cpu"] / MIB, found)

    @staticmethod
    def rate(found):
        return found["bytes"] / found["seconds"] / MIB, found

    @staticmethod
    def per_second(found):
        return found["count"] / found["seconds"], found

    @staticmethod
    def inverse_median(found):
        return 1e6 / found["median_us"], found

    def round(self, n):
        images = ["--images", self.images, "--seed", 100 * n]

        def write(workload, suffix, workers):
            # A study of its own each time.
            study = ["--images", self.images, "--seed", 100 * n + 10 * workers + len(workload) % 7]
            return lambda s: self.rate(self.call(s, workload, s.root / f"{suffix}-{n}", *study, "--workers", workers))

        for workers in (1, 4):
            self.each(f"import {workers}", n, write("import", f"plain{workers}", workers))
            self.each(f"import-fsync {workers}", n, write("import-fsync", f"fsync{workers}", workers))
            self.each(f"orthanc {workers}", n, write("orthanc", f"orthanc{workers}", workers))
        self.each("overwrite 4K fsync", n, lambda s: self.per_second(
            self.call(s, "overwrite", s.root / f"over-{n}", "--count", 500, "--seed", n)))

        def cold(workload, value, *options):
            def work(system):
                system.remount()
                drop_caches()
                return value(self.call(system, workload, system.root / f"import1-{n}", *images, *options))
            return work

        def warm(system):
            folder = system.root / f"import1-{n}"
            self.call(system, "read", folder, *images)
            return self.rate(self.call(system, "read", folder, *images))

        reads = ("cold read 1", "cold read 4", "warm read", "open 4K cold")
        reads_as_member = ("cold read member", "cold read 4 member", "warm read member", "open 4K cold member",
                           "list series cold member")
        if any(map(self.wanted, reads + reads_as_member)):
            for system in self.systems:
                self.call(system, "import", system.root / f"import1-{n}", *images)
        self.each("cold read 1", n, cold("read", self.rate))
        self.each("cold read 4", n, cold("read", self.rate, "--workers", 4))
        self.each("warm read", n, warm)
        self.each("open 4K cold", n, cold("open", self.inverse_median))

        big = ["--count", 1024, "--seed", n]
        if any(map(self.wanted, ("random 4K read cold", "random 4K read cold member", "1 GiB cold read"))):
            for system in self.systems:
                self.call(system, "big-write", system.root / "bigs", *big)
        self.each("1 GiB write fsync", n, lambda s: self.rate(self.call(s, "big-write", s.root / "bigs", *big)))

        def cold_big(workload, value, *options):
            def work(system):
                system.remount()
                drop_caches()
                return value(self.call(system, workload, system.root / "bigs", *options))
            return work
        self.each("1 GiB cold read", n, cold_big("big-read", self.rate, *big))
        self.each("random 4K read cold", n, cold_big("random-read", self.inverse_median, "--count", 2000, "--seed", n))
        self.each("create 1K files", n, lambda s: self.per_second(
            self.call(s, "create", s.root / f"small-{n}", "--count", 5000)))

        def list_cold(folder, make, names):
            def work(system):
                where = system.root / f"{folder}-{n}"
                if not where.exists():
                    make(system, where)
                system.remount()
                drop_caches()
                found = self.call(system, "list", where, "--count", names)
                return 1 / found["seconds"], found
            return work
        self.each("list 1000 cold", n, list_cold(
            "list", lambda s, where: self.call(s, "create", where, "--count", 1000), 1000))
        self.each("list 200x50 cold", n, list_cold(
            "tree", lambda s, where: self.call(s, "make-tree", where, "--count", 200, "--workers", 50), 200 * 51))
        self.each("disk writes of import", n, lambda s: self.disk_writes(s, n))
        self.each("space study", n, lambda s: self.space(
            s, n, "import", "--images", self.images, "--seed", 100 * n + 99))
        self.each("space 1K files", n, lambda s: self.space(s, n, "create", "--count", 5000))

    @staticmethod
    def give_to_group(system, *paths):
        """To the group, with an access list on each (of folders a default one, too)."""
        files = [path for path in paths if not path.is_dir()]
        folders = [path for path in paths if path.is_dir()]
        for path, mode in [(path, 0o640) for path in files] + [(path, 0o2770) for path in folders]:
            os.chown(path, 0, GROUP)
            os.chmod(path, mode)
        for options, named in ((["-m", f"u:{OTHER_USER}:r"], files),
                               (["-m", f"u:{OTHER_USER}:rx,d:u:{OTHER_USER}:rx"], folders)):
            # A peer that keeps no access lists is spared them.
            subprocess.run(["xargs", "-0", "-r", "setfacl", *options], check=isinstance(system, Leadglass), text=True,
                           input="\0".join(map(str, named)), stderr=subprocess.DEVNULL)

    def members_paths(self, system, n):
        """The study of "import 1", opened to the group; gives a file of the paths where a member of it reads the
        images: in the view where there is one."""
        study = system.root / f"import1-{n}"
        lines = self.base / f"paths-{system.name}-{n}"
        if lines.exists():
            return lines
        files = sorted(path for path in study.rglob("*") if path.is_file())
        self.give_to_group(system, *files)
        run("chmod", "-R", "a+X", study)
        paths = files
        if system.view:
            for folder, _, _ in os.walk(system.view):
                os.chown(folder, 0, GROUP)
            views = {path.stat().st_ino: path for path in system.view.rglob("*") if path.is_file()}
            paths = [views[os.stat(path).st_ino] for path in files]
        lines.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
        return lines

    def round_as_member(self, n):
        """The road that users take: what `round` measures as root, by one who is in the study's group, with access
        lists on the files. What is filed is read through the view, where there is one."""
        images = ["--images", self.images, "--seed", 100 * n]

        def write(workload, value, *options):
            def work(system):
                folder = system.root / f"member-{workload}-{n}"
                folder.mkdir()
                self.give_to_group(system, folder)
                return value(self.call(system, workload, folder, *options, prefix=AS_MEMBER))
            return work

        for number, workload in enumerate(("import", "import-fsync", "orthanc")):
            self.each(f"{workload} 1 member", n, write(
                workload, self.rate, "--images", self.images, "--seed", 100 * n + 90 + number))
        self.each("create 1K files member", n, write("create", self.per_second, "--count", 5000))

        def read(workload, value, *options):
            def work(system):
                lines = self.members_paths(system, n)
                system.remount()
                drop_caches()
                return value(self.call(system, workload, system.root / f"import1-{n}", *images, *options,
                                       "--paths", lines, prefix=AS_MEMBER))
            return work

        def warm(system):
            work = read("read", self.rate)
            work(system)
            return self.rate(self.call(system, "read", system.root / f"import1-{n}", *images,
                                       "--paths", self.members_paths(system, n), prefix=AS_MEMBER))

        def list_series(system):
            lines = self.members_paths(system, n).read_text(encoding="utf-8").splitlines()
            system.remount()
            drop_caches()
            found = self.call(system, "list", pathlib.Path(lines[0]).parent, "--count", len(lines), prefix=AS_MEMBER)
            return 1 / found["seconds"], found

        self.each("cold read member", n, read("read", self.rate))
        self.each("cold read 4 member", n, read("read", self.rate, "--workers", 4))
        self.each("warm read member", n, warm)
        self.each("open 4K cold member", n, read("open", self.inverse_median))
        self.each("list series cold member", n, list_series)

        def random_read(system):
            self.give_to_group(system, system.root / "bigs" / "big")
            system.remount()
            drop_caches()
            return self.inverse_median(self.call(system, "random-read", system.root / "bigs", "--count", 2000,
                                                 "--seed", n, prefix=AS_MEMBER))
        self.each("random 4K read cold member", n, random_read)

    def disk_writes(self, system, n):
        """Bytes of the files over bytes that the disk was given until it was unmounted and stood still; what the file
        system prepares in idle time, for this study or the next one, is counted apart. Mounted anew before, so that it
        owes the disk nothing of what was measured earlier."""
        system.remount()
        before = writes_when_idle(self.base)
        prepared = system.bytes_of_prepared_room()
        found = self.call(system, "import", system.root / f"writes-{n}", "--images", self.images,
                          "--seed", 100 * n + 98)
        writes_when_idle(self.base)
        prepared = system.bytes_of_prepared_room() - prepared
        system.unmount()
        written = writes_when_idle(self.base) - before
        system.mount()
        print(f"  round {n} {system.name}: {found['bytes']} bytes of files, {written} written, of which "
              f"{prepared} in idle time", flush=True)
        return found["bytes"] / max(1, written - prepared), {**found, "written": written, "prepared": prepared}

    def space(self, system, n, workload, *options):
        """Bytes of the files over bytes on the disk, all of which is written by then."""
        system.remount()
        before = system.used()
        found = self.call(system, workload, system.root / f"space-{workload}-{n}", *options)
        system.remount()
        os.sync()
        return found["bytes"] / max(1, system.used() - before), found


def machine(base):
    """The raw limits of this machine, beside which the figures have to be read."""
    facts = {"kernel": platform.release(), "cpus": os.cpu_count()}
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        facts["cpu"] = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    facts["file system"] = output("stat", "-f", "-c", "%T", base).strip()
    path = base / "probe"
    block = os.urandom(4096)
    with open(path, "wb") as probe:
        probe.write(os.urandom(64) * (MIB // 64) * 4)
        probe.flush()
        os.fsync(probe.fileno())
        times = []
        for i in range(50):
            start = time.perf_counter()
            os.pwrite(probe.fileno(), block, i * 4096)
            os.fdatasync(probe.fileno())
            times.append(time.perf_counter() - start)
        facts["4 KiB write + fdatasync, us"] = round(statistics.median(times) * 1e6)
    path.unlink()
    for direction, source, sink, flag in (("write", "/dev/zero", path, "oflag=direct"), ("read", path, "/dev/null", "iflag=direct")):
        done = subprocess.run(["dd", f"if={source}", f"of={sink}", "bs=4M", "count=128", flag], check=True,
                              capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        facts[f"device {direction}, O_DIRECT"] = done.stderr.strip().splitlines()[-1].rpartition(", ")[2]
    path.unlink()
    for cipher in ("aes-256-gcm", "sha256"):
        done = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", cipher],
                              capture_output=True, text=True, check=True)
        facts[f"openssl {cipher}, kB/s"] = done.stdout.split()[-1]
    return facts


def table(results, systems):
    """Workload, leadglass over each peer: median of the rounds' ratios, and the least and greatest."""
    peers = [s for s in systems if s != "leadglass"]
    lines = ["| workload | leadglass | " + " | ".join(f"over {p}" for p in peers) + " |",
             "| --- |" + " --- |" * (len(peers) + 1)]
    summary = {}
    for name in dict.fromkeys(r["workload"] for r in results):
        mine = {r["round"]: r["value"] for r in results if r["workload"] == name and r["system"] == "leadglass"}
        cells = []
        summary[name] = {"leadglass": statistics.median(mine.values())}
        for peer in peers:
            theirs = {r["round"]: r["value"] for r in results if r["workload"] == name and r["system"] == peer}
            ratios = sorted(mine[n] / theirs[n] for n in mine if n in theirs and theirs[n] > 0)
            if not ratios:
                cells.append("")
                continue
            median = statistics.median(ratios)
            summary[name][peer] = median
            cells.append(f"{median:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        lines.append(f"| {name} | {summary[name]['leadglass']:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines), summary


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--before", type=pathlib.Path, help="another build of the program, in place of all peers")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--pause", type=float, default=1.0)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("run_bench.py: needs root: it mounts and drops caches")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="leadglass-bench.", dir=arguments.folder))
    base.chmod(0o755)  # a member of a study's group reads, too
    facts = machine(base)
    print(json.dumps(facts, indent=1))
    bench = Bench(arguments, base)
    try:
        bench.start()
        for n in range(1, arguments.rounds + 1):
            bench.round(n)
            bench.round_as_member(n)
    finally:
        bench.close()
        shutil.rmtree(base, ignore_errors=True)
    text, summary = table(bench.results, [s.name for s in bench.systems])
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(
            {"machine": facts, "summary": summary, "results": bench.results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
