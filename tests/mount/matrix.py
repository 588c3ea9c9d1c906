#!/usr/bin/env python3
"""matrix.py MNT FOLDER LEADGLASS PART: who may do what with which study, cell by cell.

FOLDER holds what the PACS was given, a folder for each study, and keeps what was decided since from
one PART to the next: "mounted", "rotated", "remounted". Each operation is done by a process with a
user's real ids. What has to come of it model() says, which is the documents once more and never asks
the file system. A leak is whatever comes where the model says no, and a byte that is not the image's.
"""
import ctypes
import errno
import fcntl
import grp
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import time
import traceback
from types import SimpleNamespace as Facts

MNT, FOLDER, LEADGLASS, PART = sys.argv[1:]
LIBC = ctypes.CDLL(None, use_errno=True)
AUDIO, VIDEO, GAMES = (grp.getgrnam(name).gr_gid for name in ("audio", "video", "games"))
OWN = f"{MNT}/archive/own"  # a folder for each user, and a second name of each image
PACS = 60010
USERS = {  # uid, gid, supplementary groups
    "root": (0, 0, []),
    "radiologist": (60001, AUDIO, []),
    "cardiologist": (60002, 60002, [VIDEO]),
    "both": (60003, AUDIO, [VIDEO]),
    "PACS": (PACS, PACS, []),
    "stranger": (60004, 60004, []),
}
STUDIES = {  # as the rules of matrix_test.sh and the beginning of mounted() make it
    "default": {"group": AUDIO, "groups": [], "users": {}},
    "rule": {"group": VIDEO, "groups": [], "users": {}},
    "further": {"group": VIDEO, "groups": [AUDIO], "users": {}},
    "chgrp": {"group": GAMES, "groups": [], "users": {}},
    "setfacl": {"group": AUDIO, "groups": [], "users": {"stranger": "rx"}},
}
LOCKED = set()


# ---- What the documents say

def bits(user, study):
    """Of a study's folder, as acl(5) has it: a name counts before groups."""
    uid, gid, more = USERS[user]
    if uid == 0:
        return "rx"
    if user in study["users"]:
        return study["users"][user]
    return "rx" if {study["group"], *study["groups"]} & {gid, *more} else ""


def model(user, study, tree, name):
    """ok, or the one error: the way there first, then the image's own rights, then its key."""
    needs = OPERATIONS[name][0]
    root, may = user == "root", bits(user, study)
    key = "ENOKEY" if study["group"] in LOCKED else "ok"
    if needs == "passed":
        return key  # what is open stays open
    if needs == "capability":
        return key if root else "EPERM"
    if tree == "patients":
        if not may:
            return "ENOENT"
        if needs == "list" and "r" not in may or needs not in ("find", "list") and "x" not in may:
            return "EACCES"
    elif needs in ("find", "list", "series"):
        return "ok"  # in the archive the PACS's folders are open to everybody
    writes = tree == "archive" and (root or user == "PACS")
    reads = writes or "r" in may
    read_only = "EROFS" if root else None  # the view's; others have no bit to write there
    if needs in ("read", "series", "look"):
        return "EACCES" if not reads else key if needs == "read" else "ok"
    if needs == "write":
        return key if writes else read_only or "EACCES"
    if needs in ("change", "folder"):
        return "ok" if writes else read_only or "EACCES"
    if needs == "own":
        return "ok" if writes or root else "EPERM"  # in the view it is taken and changes nothing
    if needs == "link":
        return "ok" if writes else read_only or "EPERM"
    return {"readlink": "EINVAL", "exec": "EACCES"}.get(needs, "ok")


# ---- The operations: each gives bytes of the image, or nothing

def call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def listed(folder, path):
    if os.path.basename(path) not in os.listdir(folder):
        raise FileNotFoundError(errno.ENOENT, "")


def opened(at, use, flags=os.O_RDONLY):
    fd = os.open(at.image, flags)
    try:
        return use(fd)
    finally:
        os.close(fd)


def mapped(fd):
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as pages:
        return pages[:]


def copied(copy):
    """What `copy` brings into a file of the user's own; no header, lest it be filed."""
    with open(f"{at_home()}/copy", "w+b") as out:
        out.truncate()
        copy(out.fileno())
        out.seek(0)
        return out.read()


def at_home():
    return f"{OWN}/{os.getuid()}"


def handle_of(path):
    room = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    call(LIBC.name_to_handle_at, -100, os.fsencode(path), room, ctypes.byref(ctypes.c_int()), 0)
    return room


def current_handle_of(image):
    """Of a view's file the kernel may know an older version for a second; who opens it is told."""
    try:
        os.close(os.open(image, os.O_RDONLY))
    except OSError as error:
        if error.errno != errno.ENOKEY:
            raise
    return handle_of(image)


def by_handle(handle, flags=os.O_RDONLY):
    mount = os.open(MNT, os.O_RDONLY)
    fd = call(LIBC.open_by_handle_at, mount, handle, flags)
    try:
        return os.pread(fd, 1 << 20, 0)
    finally:
        os.close(fd)
        os.close(mount)


def statx(at):
    call(LIBC.statx, -100, os.fsencode(at.image), 0, 0xFFF, ctypes.create_string_buffer(256))


def inotify(at):
    queue = call(LIBC.inotify_init1, 0)
    try:
        call(LIBC.inotify_add_watch, queue, os.fsencode(at.image), 1)
    finally:
        os.close(queue)


def access(at):
    call(LIBC.access, os.fsencode(at.image), os.R_OK)


def link(at):
    os.link(at.image, f"{at_home()}/link")
    os.unlink(f"{at_home()}/link")


def rename(at):
    os.rename(at.image, f"{at_home()}/renamed")
    os.rename(f"{at_home()}/renamed", at.image)


def unlink(at):
    os.unlink(at.image)
    os.link(at.second, at.image)


def executed(at):
    os.waitpid(os.posix_spawn(at.image, [at.image], {}), 0)


OPERATIONS = {  # what each needs, for model()
    "list the patients": ("find", lambda at: listed(at.parent, at.patient)),
    "list the patient's folder": ("find", lambda at: listed(at.patient, at.study)),
    "stat of the patient": ("find", lambda at: os.stat(at.patient) and None),
    "stat of the study": ("find", lambda at: os.stat(at.study) and None),
    "opendir of the study": ("list", lambda at: listed(at.study, at.series)),
    "stat of the series": ("name", lambda at: os.stat(at.series) and None),
    "opendir of the series": ("series", lambda at: listed(at.series, at.image)),
    "stat of the image": ("name", lambda at: os.stat(at.image) and None),
    "statx": ("name", statx),
    "open O_PATH": ("name", lambda at: opened(at, lambda fd: os.fstat(fd) and None, os.O_PATH)),
    "readlink": ("readlink", lambda at: os.readlink(at.image)),
    "listxattr": ("name", lambda at: os.listxattr(at.image) and None),
    "name_to_handle_at": ("name", lambda at: handle_of(at.image) and None),
    "access": ("look", access),
    "getxattr": ("look", lambda at: os.getxattr(at.image, "user.dicom.PatientName")),
    "inotify_add_watch": ("look", inotify),
    "open": ("read", lambda at: opened(at, lambda fd: None)),
    "read": ("read", lambda at: opened(at, lambda fd: os.read(fd, 1 << 20))),
    "pread": ("read", lambda at: opened(at, lambda fd: os.pread(fd, 512, 512))),
    "mmap": ("read", lambda at: opened(at, mapped)),
    "flock": ("read", lambda at: opened(at, lambda fd: fcntl.flock(fd, fcntl.LOCK_SH))),
    "fcntl lock": ("read", lambda at: opened(at, lambda fd: fcntl.lockf(fd, fcntl.LOCK_SH) and None)),
    "sendfile": ("read", lambda at: opened(at, lambda fd: copied(
        lambda out: os.sendfile(out, fd, 512, 512)))),
    "copy_file_range": ("read", lambda at: opened(at, lambda fd: copied(
        lambda out: os.copy_file_range(fd, out, 512, 512)))),
    "execute": ("exec", executed),
    "read what was passed": ("passed", lambda at: os.pread(at.passed(), 1 << 20, 0)),
    "open_by_handle_at": ("capability", lambda at: by_handle(at.handle)),
    "open to write": ("write", lambda at: opened(at, lambda fd: None, os.O_WRONLY)),
    "truncate": ("change", lambda at: os.truncate(at.image, len(at.bytes))),
    "setxattr": ("change", lambda at: os.setxattr(at.image, "user.note", b"seen")),
    "chmod": ("own", lambda at: os.chmod(at.image, 0o600)),
    "chgrp": ("own", lambda at: os.chown(at.image, -1, PACS)),
    "link into an own folder": ("link", link),
    "rename into an own folder": ("folder", rename),
    "unlink": ("folder", unlink),
}


# ---- Doing them

def become(user):
    uid, gid, more = USERS[user]
    os.setgroups(more)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def become_with_capability(uid):
    """A stranger who may read and search everything, as far as the kernel is asked."""
    call(LIBC.prctl, 8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    dac_read_search = 1 << 2
    call(LIBC.capset, struct.pack("Ii", 0x20080522, 0),
         struct.pack("6I", dac_read_search, dac_read_search, 0, 0, 0, 0))


def become_root_of_a_namespace(uid):
    """A stranger with every capability there is, over himself."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    call(LIBC.prctl, 4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: the files in /proc are his
    if LIBC.unshare(0x10020000) != 0:  # CLONE_NEWUSER | CLONE_NEWNS
        return  # not on this machine
    with open("/proc/self/uid_map", "w", encoding="ascii") as id_map:
        id_map.write(f"0 {uid} 1")


def in_child(prepare, work):
    """What work() gives, by a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            prepare()
            with open(writer, "w", encoding="utf-8") as out:
                json.dump(work(), out)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        text = answer.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("FAILED: a child ended early")
    return json.loads(text)


def outcome(at, operation):
    try:
        got = operation(at)
    except OSError as error:
        return errno.errorcode[error.errno]
    if got is None:
        return "ok"
    return "ok" if len(got) > 0 and got in at.bytes else f"other bytes, {len(got)} of them"


def pass_on(image, name):
    """An open file of somebody who may read it, as it comes out of a Unix socket."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    entitled = next(user for user in ("radiologist", "cardiologist", "stranger", "root")
                    if bits(user, STUDIES[name]) == "rx")
    in_child(lambda: become(entitled), lambda: opened(
        Facts(image=image), lambda fd: socket.send_fds(here, [b"x"], [fd])))
    return socket.recv_fds(there, 1, 1)[1][0]


def receive(fd):
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    socket.send_fds(here, [b"x"], [fd])
    return socket.recv_fds(there, 1, 1)[1][0]


def image_below(folder):
    return next(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def place(tree, name, image):
    series = os.path.dirname(image)
    study = os.path.dirname(series)
    patient = os.path.dirname(study)
    with open(image_below(f"{FOLDER}/{name}"), "rb") as source:
        data = source.read()
    return Facts(tree=tree, name=name, image=image, series=series, study=study, patient=patient,
                 parent=os.path.dirname(patient), second=f"{OWN}/{name}.dcm", bytes=data)


def places():
    found = []
    views = {os.stat(os.path.join(at, name)).st_ino: os.path.join(at, name)
             for at, _, names in os.walk(f"{MNT}/patients") for name in names}
    for name in STUDIES:
        archived = image_below(f"{MNT}/archive/pacs/{name}")
        found.append(place("patients", name, views[os.stat(archived).st_ino]))
        found.append(place("archive", name, archived))
    return found


class Matrix:
    def __init__(self):
        self.places = places()
        self.cells = self.wrong = self.leaks = 0
        self.passed = {}

    def open_what_is_passed(self):
        for at in self.places:
            if (at.tree, at.name) not in self.passed and STUDIES[at.name]["group"] not in LOCKED:
                self.passed[at.tree, at.name] = pass_on(at.image, at.name)

    def compare(self, title, at, user, name, expected, got):
        self.cells += 1
        if got in expected.split(" or "):
            return
        self.wrong += 1
        leak = expected != "ok" and (got == "ok" or got.startswith("other bytes"))
        self.leaks += leak
        print(f"{'LEAK' if leak else 'WRONG'}: {title}: {user}, {name}, study '{at.name}' in "
              f"/{at.tree}: expected {expected}, got {got}", file=sys.stderr)

    def run(self, title, at_once=False):
        """With `at_once` only what the vault itself refuses: the kernel may go by the bits of before
        for a second, and lets nobody but the vault open."""
        self.open_what_is_passed()
        for at in self.places:
            passed = self.passed.get((at.tree, at.name))
            for user in USERS:
                at.handle = current_handle_of(at.image)
                at.passed = lambda: receive(passed)
                got = in_child(lambda: become(user), lambda: {
                    name: outcome(at, operation) for name, (needs, operation) in OPERATIONS.items()
                    if needs != "passed" or passed is not None})
                for name, result in got.items():
                    expected = model(user, STUDIES[at.name], at.tree, name)
                    by_vault = expected == "ENOENT" or OPERATIONS[name][0] in ("list", "series", "read")
                    if not at_once or by_vault and expected != "ok":
                        self.compare(title, at, user, name, expected, result)

    def caches(self, title):
        """Whatever the kernel has just got for one who may: nobody else has it of the kernel."""
        names = [name for name, (needs, _) in OPERATIONS.items()
                 if needs in ("find", "list", "name", "series", "look", "read")]
        for at in self.places:
            if bits("stranger", STUDIES[at.name]) or not bits("both", STUDIES[at.name]):
                continue
            def look(times):
                return [(name, outcome(at, OPERATIONS[name][1])) for _ in range(times) for name in names]
            look(1)
            reader = os.fork()
            if reader == 0:
                become("both")
                while True:
                    look(1)
            for _ in range(3):
                for name, got in in_child(lambda: become("stranger"), lambda: look(5)):
                    self.compare(title, at, "stranger", name,
                                 model("stranger", STUDIES[at.name], at.tree, name), got)
            os.kill(reader, 9)
            os.waitpid(reader, 0)
            # Capabilities count for nothing but root's (docs/configuration.md).
            handles = {"image": current_handle_of(at.image), "study": handle_of(at.study)}
            tried = {"image by its handle": lambda at: by_handle(handles["image"]),
                     "image by its name": OPERATIONS["read"][1],
                     "attribute by its name": OPERATIONS["getxattr"][1]}
            if at.tree == "patients":
                tried["study by its handle"] = lambda at: by_handle(handles["study"], os.O_DIRECTORY)
            hidden = "ENOENT" if at.tree == "patients" else "EACCES"
            for who, by_his_handle in ((become_with_capability, "EACCES"),
                                       (become_root_of_a_namespace, "EPERM or ESTALE")):
                got = in_child(lambda: who(60004), lambda: {
                    name: outcome(at, operation) for name, operation in tried.items()})
                for name, result in got.items():
                    self.compare(f"{title}, {who.__name__}", at, "stranger", name,
                                 by_his_handle if name.endswith("handle") else hidden, result)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def group(order, *options):
    run(LEADGLASS, "group", order, MNT, "video", *options)
    LOCKED.discard(VIDEO)
    if order == "lock":
        LOCKED.add(VIDEO)


def unlock():
    group("unlock", "--group-passphrase-file", f"{FOLDER}/group.pass")


def changed(name, command, *arguments, **access):
    folder = next(at.study for at in places() if at.tree == "patients" and at.name == name)
    run(command, *arguments, folder)
    STUDIES[name].update(access)


def settle():
    time.sleep(1.2)  # what the kernel knows of an image's mode may be a second old


def mounted():
    changed("chgrp", "chgrp", "games")
    changed("setfacl", "setfacl", "-m", "u:60004:rx")
    settle()
    matrix = Matrix()
    matrix.run("at first")
    matrix.caches("caches")
    changed("default", "chgrp", "video", group=VIDEO)
    matrix.run("right after chgrp", at_once=True)
    settle()
    matrix.run("after chgrp")
    changed("chgrp", "setfacl", "-m", "u:60001:r,u:60002:x,u:60004:rx",
            users={"radiologist": "r", "cardiologist": "x", "stranger": "rx"})
    changed("setfacl", "setfacl", "-x", "u:60004", users={})
    changed("further", "setfacl", "-m", "u:60003:-", users={"both": ""})
    matrix.run("right after setfacl", at_once=True)
    settle()
    matrix.run("after setfacl")
    group("passphrase", "--new-passphrase-file", f"{FOLDER}/group.pass", "--scryptn", "10")
    group("lock")
    matrix.run("after lock")
    unlock()
    matrix.run("after unlock")
    return matrix


def rotated():
    LOCKED.add(VIDEO)
    matrix = Matrix()
    matrix.run("after rotate, locked")
    unlock()
    matrix.run("after rotate, unlocked")
    return matrix


def remounted():
    LOCKED.add(VIDEO)
    matrix = Matrix()
    matrix.run("after a remount")
    return matrix


def main():
    state = f"{FOLDER}/studies.json"
    if os.path.exists(state):
        with open(state, encoding="utf-8") as file:
            STUDIES.update(json.load(file))
    matrix = {"mounted": mounted, "rotated": rotated, "remounted": remounted}[PART]()
    with open(state, "w", encoding="utf-8") as file:
        json.dump(STUDIES, file)
    print(f"{PART}: {len(USERS)} users, {len(STUDIES)} studies, {len(OPERATIONS)} operations: "
          f"{matrix.cells} cells, {matrix.wrong} wrong, {matrix.leaks} leaks")
    sys.exit(1 if matrix.wrong else 0)


main()
