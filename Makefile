# Two targets do everything on a machine that has Python: `make demo` and `make test`.
PYTHON ?= python3
# Named exactly: with a range pip may choose a newer build than was tested. On Linux the wheel of the public index
# brings CUDA along; set TORCH to install another build.
TORCH ?= torch==2.13.0

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
DEMO := work_dirs/demo
SEQUENCE := work_dirs/data/synthetic/val/synthetic_val_000010

.PHONY: install demo test sanitize lint clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py $(wildcard b2nn/packed/kernels/*)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet $(TORCH)
	$(PY) -m pip install --quiet --editable ".[dev]"
	touch $@

# Runs that are finished are kept and unfinished ones go on, so a demo that was interrupted loses nothing.
demo: $(INSTALLED)
	$(PY) tools/train_tracker.py --budget 0.3 --baselines --work-dir $(DEMO) --resume
	$(PY) eval/run_got10k.py --work-dir $(DEMO) --ready --out $(DEMO)/eval
	$(PY) eval/report.py --results $(DEMO)/eval --out $(DEMO)/report
	$(PY) tools/demo.py --source $(SEQUENCE) --init-box "$$(head -n 1 $(SEQUENCE)/groundtruth.txt)" \
		--checkpoint $(DEMO)/mixbin-0.3/checkpoint.pth --out $(DEMO)/tracked.mp4 --csv $(DEMO)/tracked.csv \
		--no-display --overwrite

test: $(INSTALLED)
	$(PY) -m pytest -n 2

# The kernels' tests under gcc's address and undefined-behaviour sanitizers. Python and torch leak; kernels cannot.
sanitize: $(INSTALLED)
	mkdir -p build
	gcc -O1 -g -fno-omit-frame-pointer -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all \
		-shared -fPIC b2nn/packed/kernels/bk.c -o build/bk_sanitized.so
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		B2NN_LIBRARY=$(CURDIR)/build/bk_sanitized.so $(PY) -m pytest tests/b2nn/packed/test_binary.py \
		tests/b2nn/packed/test_floats.py

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m mypy

clean:
	rm -rf build *.egg-info work_dirs
