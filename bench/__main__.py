"""The command line of the benchmark: `python -m bench [CASE …]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.cases import CASES, DEFAULT, Case
from bench.figures import Row, typical
from bench.report import Report
from bench.run import Run

RESULTS = Path(__file__).with_name("results.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and report; return 1 if something was lost or stale, which no target excuses."""
    options = _options(arguments)
    report = Report(options.scale)
    with _working_folder(options.keep) as root:
        run = Run(root, options.scale, options.full, tuple(options.beside))
        report.begin()
        for name in options.cases or (CASES if options.full else DEFAULT):
            for row in _repeated(CASES[name], run, options.repeat):
                report.add(row)
    report.write_json(options.results, {name: str(value) for name, value in vars(options).items()})
    if options.markdown:
        report.write_markdown(options.markdown)
    return int(any(row.broken for row in report.rows))


def _repeated(case: Case, run: Run, times: int) -> Iterator[Row]:
    if times == 1:
        yield from case(run)
        return
    for repetitions in zip(*[list(case(run)) for _ in range(times)], strict=True):
        yield typical(repetitions)


@contextmanager
def _working_folder(keep: bool) -> Iterator[Path]:
    if keep:
        root = Path(tempfile.mkdtemp(prefix="steerworks-bench-"))
        print(f"everything is kept in {root}")
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="steerworks-bench-") as folder:
        yield Path(folder)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="The benchmark of all stages; see bench/README.md.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; a default set if left out")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run each case N times; medians count")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the prompts; targets of time do not apply")
    parser.add_argument("--full", action="store_true", help="all cases, with a million requests and 5,000 cells")
    parser.add_argument(
        "--with", dest="beside", action="append", default=[], choices=["openai"], help="another client beside it"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="where the figures go, as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the working folder")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.cases) - set(CASES)):
        parser.error(f"there is no case {', '.join(unknown)}; there are: {', '.join(CASES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
