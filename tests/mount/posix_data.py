#!/usr/bin/env python3
"""posix_data.py DIR: data operations that no everyday program asks for, byte by byte."""
import errno
import fcntl
import mmap
import os
import subprocess
import sys

os.chdir(sys.argv[1])
MIB = 1 << 20


def check(what, expected, actual):
    if expected != actual:
        sys.exit(f"FAILED: {what}: expected {expected!r}, got {actual!r}")


def fails_with(what, code, call, *args):
    try:
        call(*args)
    except OSError as error:
        check(what, errno.errorcode[code], errno.errorcode[error.errno])
    else:
        sys.exit(f"FAILED: {what}: was allowed")


def make(name, data=b""):
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    return fd


def punch_and_zero():
    pattern = bytes(range(1, 256)) * 4200
    fd = make("punched", pattern)
    subprocess.run(["fallocate", "-p", "-o", "70000", "-l", "300000", "punched"], check=True)
    expected = bytearray(pattern)
    expected[70000:370000] = bytes(300000)
    check("punched", bytes(expected), os.pread(fd, len(pattern) + 1, 0))
    subprocess.run(["fallocate", "-z", "-o", "500001", "-l", "1000", "punched"], check=True)
    expected[500001:501001] = bytes(1000)
    check("zero range", bytes(expected), os.pread(fd, len(pattern) + 1, 0))
    os.posix_fallocate(fd, 0, 2 * MIB)
    check("fallocate makes it longer", 2 * MIB, os.fstat(fd).st_size)
    os.close(fd)


def holes():
    fd = make("sparse")
    os.pwrite(fd, b"x" * 4096, 3 * MIB)
    os.ftruncate(fd, 8 * MIB)
    data = os.lseek(fd, 0, os.SEEK_DATA)
    if not 3 * MIB - 65536 <= data <= 3 * MIB:
        sys.exit(f"FAILED: SEEK_DATA says {data}")
    hole = os.lseek(fd, data, os.SEEK_HOLE)
    if not 3 * MIB + 4096 <= hole <= 3 * MIB + 65536 + 4096:
        sys.exit(f"FAILED: SEEK_HOLE says {hole}")
    fails_with("SEEK_DATA past the last data", errno.ENXIO, os.lseek, fd, hole, os.SEEK_DATA)
    check("a hole reads zeros", bytes(4096), os.pread(fd, 4096, MIB))
    if os.fstat(fd).st_blocks * 512 > MIB:
        sys.exit("FAILED: a hole takes room")
    os.close(fd)
    subprocess.run(["cp", "--sparse=always", "sparse", "sparse2"], check=True)
    subprocess.run(["cmp", "sparse", "sparse2"], check=True)


def mapping():
    fd = make("mapped", bytes(100000))
    with mmap.mmap(fd, 100000, mmap.MAP_SHARED) as window:
        window[50000:50005] = b"hello"
        check("mapping to read", b"hello", os.pread(fd, 5, 50000))
        os.pwrite(fd, b"world", 60000)
        check("write to mapping", b"world", window[60000:60005])
        window.flush()
    os.close(fd)
    with open("mapped", "rb") as again:
        again.seek(50000)
        check("after the mapping", b"hello", again.read(5))


def copy_range():
    source, target = make("from", os.urandom(200000)), make("to", b"#" * 50000)
    moved = 0
    while moved < 100000:
        moved += os.copy_file_range(source, target, 100000 - moved, 12345 + moved, 333 + moved)
    check("copy_file_range", os.pread(source, 100000, 12345), os.pread(target, 100000, 333))
    check("before it", b"#" * 333, os.pread(target, 333, 0))
    os.close(source)
    os.close(target)


def opening():
    os.close(make("there"))
    fails_with("O_EXCL", errno.EEXIST, os.open, "there", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    fd = os.open("there", os.O_WRONLY | os.O_APPEND)
    other = os.open("there", os.O_WRONLY | os.O_APPEND)
    for n in range(10):
        os.write(fd if n % 2 else other, b"%d" % n)
    check("two appenders", b"0123456789", open("there", "rb").read())
    os.close(os.open("there", os.O_WRONLY | os.O_TRUNC))
    check("O_TRUNC", 0, os.stat("there").st_size)
    fails_with("a folder is no file", errno.EISDIR, os.open, ".", os.O_WRONLY)
    fails_with("a file is no folder", errno.ENOTDIR, os.stat, "there/below")


def locks():
    """Another process must see both kinds of lock."""
    fd = make("locked", bytes(100))
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 20)
    probe = ("import fcntl, os, sys; fd = os.open('locked', os.O_RDWR)\n"
             "try: {0}\nexcept OSError: sys.exit(9)")
    run = lambda code: subprocess.run([sys.executable, "-c", probe.format(code)], check=False).returncode
    check("range lock held", 9, run("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 25)"))
    check("range beside it free", 0, run("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 40)"))
    fcntl.lockf(fd, fcntl.LOCK_UN, 10, 20)
    check("range lock gone", 0, run("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 25)"))
    fcntl.flock(fd, fcntl.LOCK_EX)
    check("flock held", 9, run("fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)"))
    os.close(fd)
    check("flock gone with its file", 0, run("fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)"))


def special_files():
    os.mkfifo("fifo", 0o640)
    check("fifo", True, (os.stat("fifo").st_mode & 0o170000) == 0o010000)
    os.mknod("device", 0o020600, os.makedev(1, 3))
    check("device number", os.makedev(1, 3), os.stat("device").st_rdev)
    os.unlink("fifo")
    os.unlink("device")


def random_access():
    """Unaligned writes in many sizes against a copy in memory."""
    size = 700001
    copy = bytearray(size)
    fd = make("random")
    os.ftruncate(fd, size)
    state = 12345
    for n in range(600):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        at, length = (state >> 33) % size, 1 + (state >> 20) % 9000
        data = bytes([n % 251 + 1]) * min(length, size - at)
        os.pwrite(fd, data, at)
        copy[at:at + len(data)] = data
        if n % 100 == 99:
            os.fsync(fd)
    check("random writes", True, bytes(copy) == os.pread(fd, size, 0))
    os.close(fd)
    check("after closing", True, bytes(copy) == open("random", "rb").read())


for test in (punch_and_zero, holes, mapping, copy_range, opening, locks, special_files, random_access):
    test()
