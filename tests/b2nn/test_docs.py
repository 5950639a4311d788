"""The example of docs/b2nn.md runs as it stands and reaches what the page says."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "b2nn.md"


def test_the_example(capsys):
    code, = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert sum(1 for line in code.splitlines() if line.strip()) <= 40
    variables = {}
    exec(compile(code, str(PAGE), "exec"), variables)
    assert variables["plan"].ratio <= 0.3
    printed = re.findall(r"accuracy ([\d.]+)", capsys.readouterr().out)
    before, after = map(float, printed)
    assert after > before - 0.1
