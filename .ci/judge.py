#!/usr/bin/env python3
"""judge.py PRESET...: reads build-PRESET/junit.xml of each and fails when fewer tests ran than
.ci/test-floor says, or, with LEADGLASS_FORBID_SKIP=1, when one was skipped without an excuse.

Where ctest ran tests in parts, as with sanitizers, build-PRESET/gtest/PART.xml has the tests of each.

The only excuse is an optional input that is not there: a test that names LEADGLASS_CORPUS or
LEADGLASS_PJDFSTEST in its output while that variable is not set.
.ci/test-floor has one line per preset: name and number of tests. Raise it when tests are added.
"""
import os
import pathlib
import sys
import xml.etree.ElementTree

OPTIONAL = ("LEADGLASS_CORPUS", "LEADGLASS_PJDFSTEST")


def excused(output):
    return any(name in output and not os.environ.get(name) for name in OPTIONAL)


def tests_of(preset):
    """(name, whether it ran, whether it failed, its output) of each."""
    parts = {path.stem: path for path in pathlib.Path(f"build-{preset}/gtest").glob("*.xml")}
    for case in xml.etree.ElementTree.parse(f"build-{preset}/junit.xml").getroot().findall("testcase"):
        failed = case.get("status") == "fail"
        part = parts.get(case.get("name"))
        if part is None:
            yield case.get("name"), case.get("status") == "run", failed, case.findtext("system-out") or ""
            continue
        if failed:
            yield case.get("name"), False, True, ""
        for test in xml.etree.ElementTree.parse(part).getroot().iter("testcase"):
            name = f"{test.get('classname')}.{test.get('name')}"
            if test.get("status") != "run":
                continue  # another part's
            skipped = test.find("skipped")
            yield name, skipped is None, test.find("failure") is not None, "" if skipped is None else skipped.get("message")


def judge(preset, floor):
    tests = list(tests_of(preset))
    failed = [name for name, _, failed, _ in tests if failed]
    bad = [name for name, ran, failed, output in tests if not ran and not failed and not excused(output)]
    ran = sum(1 for _, ran, _, _ in tests if ran)
    print(f"{preset}: {ran} tests ran (floor {floor}), {sum(1 for _, ran, f, _ in tests if not ran and not f)} skipped")
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
