"""Show which kernels, libraries and hardware this machine has for the tracker, and what mends what is missing.

    b2track doctor
    b2track doctor --json
"""

from __future__ import annotations

from tracker.cli import Parser


def main() -> int:
    parser = Parser(__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    from tracker.doctor import report

    return report(arguments.json)
