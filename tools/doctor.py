"""Show which kernels, libraries and hardware this machine has for the tracker, and what mends what is missing.

    python tools/doctor.py
    python tools/doctor.py --json
"""

from __future__ import annotations

import sys

from tracker.cli import Parser


def main() -> int:
    parser = Parser(__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    from tracker.doctor import report

    return report(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
