#!/usr/bin/env python3
"""datagrams.py OUT ADDRESS: writes each datagram that comes to ADDRESS to the file OUT.

ADDRESS is a path, of a socket that is made there, or udp: a port of this machine is taken, and
written to OUT.port. Each datagram is followed by a line of "--". A datagram without bytes that
brings a file (how the journal is given long entries) stands for what the file holds.
"""

import array
import os
import socket
import sys


def main() -> None:
    out, address = sys.argv[1:]
    if address == "udp":
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        with open(out + ".new", "w", encoding="ascii") as file:
            file.write(str(server.getsockname()[1]))
        os.rename(out + ".new", out + ".port")
    else:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(address)
    with open(out, "ab") as file:
        while True:
            data, control, _, _ = server.recvmsg(65536, socket.CMSG_SPACE(4))
            for _, kind, value in control:
                if kind == socket.SCM_RIGHTS:
                    with os.fdopen(array.array("i", value)[0], "rb") as sent:
                        sent.seek(0)
                        data += sent.read()
            file.write(data + b"\n--\n")
            file.flush()


if __name__ == "__main__":
    main()
