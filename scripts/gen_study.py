#!/usr/bin/env python3
"""gen_study.py OUT: write synthetic DICOM studies, valid and the same for the same arguments.

  gen_study.py OUT                                        one CT study of ten images
  gen_study.py OUT --patients 20 --studies 2 --series 3 --instances 40 --size 256 --modality MR
  gen_study.py OUT --frames 4000 --instances 1            one multi-frame file (2 GB at --size 512)

Files: OUT/<patient>/<study>/<series>/<number>.dcm. Nothing but the standard library. Pixels are
noise, because real ones hardly compress either. With --list the facts go to standard output, one
file a line, tab-separated: path, patient id, name, study UID, series UID, SOP instance UID.
"""
import argparse
import datetime
import hashlib
import os
import random
import struct

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
# SOP class; with frames the multi-frame grayscale word secondary capture class is used.
SOP_CLASS = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
}
MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"
# Names with letters beyond ASCII, an ideographic group.
NAMES = ["Grünwald^Annegret", "Søndergård^Bjørn^Emil", "Ōyama^Haruka=大山^遥", "O'Malley^Siobhán",
         "Țepeluș^Ilinca", "Ångström^Märta^^Dr", "Πετρίδης^Νίκος", "Жданова^Раиса", "Nguyễn^Thị Hoa",
         "Wiśniewska^Łucja", "Brontë^Zoë", "Featherstonehaugh^Cholmondeley"]
REGIONS = ["Thorax mit Kontrastmittel", "Genou gauche", "Schädel nativ", "Lumbar spine", "Abdomen portal-venous"]
LONG_FORM = {"OB", "OW", "SQ", "UN", "UT"}


def element(tag, vr, value):
    """One explicit VR little endian data element."""
    if isinstance(value, str):
        value = value.encode("utf-8")
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in LONG_FORM:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def short(tag, value):
    return element(tag, "US", struct.pack("<H", value))


def uid(*parts):
    """A UID below 2.25, the root that is free for UUIDs."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return "2.25." + str(int.from_bytes(digest[:16], "big"))


def file_meta(sop_class, sop_uid):
    body = (element(0x00020001, "OB", b"\0\1") + element(0x00020002, "UI", sop_class)
            + element(0x00020003, "UI", sop_uid) + element(0x00020010, "UI", EXPLICIT_LITTLE_ENDIAN)
            + element(0x00020012, "UI", uid("leadglass", "gen_study")) + element(0x00020013, "SH", "LG_GEN_STUDY"))
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(body))) + body


def data_set(args, p, image):
    frames = [element(0x00280008, "IS", str(args.frames))] if args.frames > 1 else []
    return b"".join([
        element(0x00080005, "CS", "ISO_IR 192"),
        element(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        element(0x00080016, "UI", image["sop_class"]),
        element(0x00080018, "UI", image["sop_uid"]),
        element(0x00080020, "DA", image["date"]),
        element(0x00080023, "DA", image["date"]),
        element(0x00080030, "TM", image["time"]),
        element(0x00080033, "TM", image["time"]),
        element(0x00080050, "SH", image["accession"]),
        element(0x00080060, "CS", args.modality),
        element(0x00080070, "LO", "Leadglass Synthetic Works"),
        element(0x00080090, "PN", "Referring^Rosalind"),
        element(0x00081030, "LO", image["study_text"]),
        element(0x0008103E, "LO", image["series_text"]),
        element(0x00100010, "PN", p["name"]),
        element(0x00100020, "LO", p["id"]),
        element(0x00100030, "DA", p["birth"]),
        element(0x00100040, "CS", p["sex"]),
        element(0x00180050, "DS", "1.25"),
        element(0x0020000D, "UI", image["study_uid"]),
        element(0x0020000E, "UI", image["series_uid"]),
        element(0x00200010, "SH", image["accession"]),
        element(0x00200011, "IS", str(image["series"])),
        element(0x00200013, "IS", str(image["number"])),
        element(0x00200032, "DS", f"-150\\-150\\{image['number'] * 1.25:g}"),
        element(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        element(0x00200052, "UI", uid(image["study_uid"], "frame of reference")),
        short(0x00280002, 1), element(0x00280004, "CS", "MONOCHROME2"), *frames,
        short(0x00280010, args.size), short(0x00280011, args.size),
        element(0x00280030, "DS", "0.6\\0.6"),
        short(0x00280100, 16), short(0x00280101, 16), short(0x00280102, 15), short(0x00280103, 0),
        element(0x00281052, "DS", "-1024"), element(0x00281053, "DS", "1"),
    ])


def write_image(path, args, p, image):
    pixels = 2 * args.size * args.size
    noise = random.Random(image["sop_uid"])
    with open(path, "wb") as out:
        out.write(file_meta(image["sop_class"], image["sop_uid"]))
        out.write(data_set(args, p, image))
        out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, pixels * args.frames))
        for _ in range(args.frames):
            out.write(noise.randbytes(pixels))


def studies(args):
    """Yields (patient, image, path below OUT) of every image to write."""
    for pn in range(args.patients):
        pick = random.Random(f"{args.seed}/{pn}")
        p = {"name": NAMES[(args.seed + pn) % len(NAMES)], "id": f"LG{args.seed:03d}-{pn + 1:05d}",
             "birth": str(datetime.date(1930, 1, 1) + datetime.timedelta(pick.randrange(30000))).replace("-", ""),
             "sex": pick.choice("FMO")}
        for st in range(args.studies):
            study = {"study_uid": uid(args.seed, pn, st), "accession": f"ACC{args.seed:03d}{pn:05d}{st:02d}",
                     "date": str(datetime.date(2020, 1, 1) + datetime.timedelta(pick.randrange(2000))).replace("-", ""),
                     "time": f"{pick.randrange(24):02d}{pick.randrange(60):02d}00", "study_text": pick.choice(REGIONS)}
            for se in range(1, args.series + 1):
                for number in range(1, args.instances + 1):
                    image = dict(study, series=se, series_uid=uid(study["study_uid"], se), number=number,
                                 series_text=f"Serie {se} weich", sop_uid=uid(study["study_uid"], se, number),
                                 sop_class=MULTI_FRAME if args.frames > 1 else SOP_CLASS[args.modality])
                    yield p, image, f"{p['id']}/{st + 1}/{se}/{number:05d}.dcm"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT")
    for name, default in (("patients", 1), ("studies", 1), ("series", 1), ("instances", 10), ("frames", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--size", type=int, default=512, help="rows and columns")
    parser.add_argument("--modality", choices=sorted(SOP_CLASS), default="CT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    for p, image, name in studies(args):
        path = os.path.join(args.out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_image(path, args, p, image)
        if args.list:
            print(path, p["id"], p["name"], image["study_uid"], image["series_uid"], image["sop_uid"], sep="\t")


if __name__ == "__main__":
    main()
