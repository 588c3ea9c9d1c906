#!/usr/bin/env python3
"""odd_images.py OUT: DICOM files that are valid as bytes and odd in what they say.

  OUT/half/       a study of ten images, every second one without study, series and SOP instance UIDs
  OUT/twins/      two images with one SOP instance UID and other pixels
  OUT/nobody/     images of three strangers, all without a PatientID
"""
import argparse
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
import gen_study  # noqa: E402

UIDS = (0x00080018, 0x0020000D, 0x0020000E)
PATIENT_ID = 0x00100020


def image_bytes(patient, image, leave_out, pixels_of):
    """One image without the elements in `leave_out`."""
    real = gen_study.element

    def filtered(tag, vr, value):
        return b"" if tag in leave_out else real(tag, vr, value)

    args = argparse.Namespace(frames=1, size=32, modality="CT")
    gen_study.element = filtered
    try:
        data_set = gen_study.data_set(args, patient, image)
    finally:
        gen_study.element = real
    pixels = random.Random(pixels_of).randbytes(2 * args.size * args.size)
    meta = gen_study.file_meta(image["sop_class"], image["sop_uid"])
    return meta + data_set + real(0x7FE00010, "OW", pixels)


def image(study, number):
    return {"sop_class": gen_study.SOP_CLASS["CT"], "sop_uid": gen_study.uid(study, number), "date": "20240501",
            "time": "101500", "accession": f"ODD{study}", "study_text": f"Odd {study}", "series_text": "Odd series",
            "study_uid": gen_study.uid(study), "series_uid": gen_study.uid(study, "series"), "series": 1,
            "number": number}


def main():
    out = sys.argv[1]
    for folder in ("half", "twins", "nobody"):
        os.makedirs(os.path.join(out, folder))

    def write(name, data):
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)

    somebody = {"name": "Halfway^Hedda", "id": "ODD-1", "birth": "19500101", "sex": "F"}
    for number in range(1, 11):
        leave_out = UIDS if number % 2 == 0 else ()
        write(f"half/{number:02d}.dcm", image_bytes(somebody, image("half", number), leave_out, number))
    twin = {"name": "Twin^Tilda", "id": "ODD-2", "birth": "19510101", "sex": "F"}
    for which in ("one", "two"):
        write(f"twins/{which}.dcm", image_bytes(twin, image("twins", 1), (), which))
    for who in ("Stranger^Selma", "Foreigner^Fabian", "Unknown^Ulla"):
        nobody = {"name": who, "id": "", "birth": "19520101", "sex": "O"}
        for number in (1, 2):
            write(f"nobody/{who[:4]}-{number}.dcm", image_bytes(nobody, image(who, number), (), who + str(number)))


if __name__ == "__main__":
    main()
