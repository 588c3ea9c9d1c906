#!/usr/bin/env python3
"""judge.py PRESET...: reads build-PRESET/junit.xml of each and fails when fewer tests ran than
.ci/test-floor says, or, with LEADGLASS_FORBID_SKIP=1, when one was skipped without an excuse.

The only excuse is an optional input that is not there: a test that names LEADGLASS_CORPUS or
LEADGLASS_PJDFSTEST in its output while that variable is not set.
.ci/test-floor has one line per preset: name and number of tests. Raise it when tests are added.
"""
import os
import sys
import xml.etree.ElementTree

OPTIONAL = ("LEADGLASS_CORPUS", "LEADGLASS_PJDFSTEST")


def excused(output):
    return any(name in output and not os.environ.get(name) for name in OPTIONAL)


def judge(preset, floor):
    cases = xml.etree.ElementTree.parse(f"build-{preset}/junit.xml").getroot().findall("testcase")
    skipped = {c.get("name"): c.findtext("system-out") or "" for c in cases if c.get("status") != "run"}
    failed = [c.get("name") for c in cases if c.get("status") == "fail"]
    bad = [name for name, output in skipped.items() if name not in failed and not excused(output)]
    ran = len(cases) - len(skipped)
    print(f"{preset}: {ran} tests ran (floor {floor}), {len(skipped)} skipped")
    problems = [f"{preset}: failed: {name}" for name in failed]
    if os.environ.get("LEADGLASS_FORBID_SKIP") == "1":
        problems += [f"{preset}: skipped without an excuse: {name}" for name in bad]
    if ran < floor:
        problems.append(f"{preset}: {ran} tests ran, the floor is {floor}: which ones were lost?")
    return problems


def main():
    with open(".ci/test-floor", encoding="utf-8") as lines:
        floors = {name: int(count) for name, count in (line.split() for line in lines if line.strip())}
    problems = [p for preset in sys.argv[1:] for p in judge(preset, floors[preset])]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems or not sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
