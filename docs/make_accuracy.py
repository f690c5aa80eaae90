"""Write docs/accuracy.md: the worst error found of each operation, at the points of the tests.

python docs/make_accuracy.py        (about half a minute, needs mpmath)
"""

import contextlib
import io
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("accuracy.md")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

HEAD = """\
# Accuracy

<!-- Written by docs/make_accuracy.py. Do not edit. -->

Function by function, the worst error found over the sample points of `tests/test_rules.py`
(ordinary and extreme arguments: subnormal numbers, 1e300, one ulp beside a pole), against
mpmath with many digits, and where it was found. Errors are relative; below 2.2e-308, where
doubles lose their digits, they are in units of what a double can hold there. The error of a
second derivative is relative to the sum of the magnitudes of its terms. Values are C's; those
of `gamma`, `lgamma`, `hypot`, `fsum` and the like are Python's own, so equal bit for bit.

Rows with an x or y behind the name of another are its partials (`hypotx` is that of `hypot`):
their second derivatives are third ones, which are not held to a bound. One is `inf`: of
`hypotx`, where |y| is below 1e-154, the factor 1/y² is too large for a double, though its
product with x/|y| is not.

| operation | value | at | first derivative | at | second | at |
|---|---|---|---|---|---|---|
"""


def main():
    import test_rules

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        test_rules.print_worst_errors()
    rows = {}
    for line in printed.getvalue().splitlines():
        if not line.startswith(" "):
            name = line.strip()
            rows[name] = {}
        else:
            order, error, _, place = line.split(maxsplit=3)
            exact = float(error) < 1e-18
            rows[name][order] = ("exact", "") if exact else (error, place)
    lines = [
        " | ".join(
            [
                f"| `{name}`",
                *(
                    " | ".join(row.get(k, ("", "")))
                    for k in ("value", "first", "second")
                ),
            ]
        )
        + " |\n"
        for name, row in rows.items()
    ]
    PAGE.write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
