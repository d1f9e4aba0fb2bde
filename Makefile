# make run    start the app with the starter models on http://127.0.0.1:7860
# make venv   only install what the app needs, into .venv
# make test   every test, with all set-up they need        make lint    ruff
# make bench  the benchmarks, as one table                 make clean   remove .venv

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
ARGS   ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run venv dev chromium test lint bench clean

run: venv
	@$(PY) app.py --host 127.0.0.1 --port 7860 --models starter $(ARGS)

venv: $(VENV)/installed

# A folder without this stamp is one whose installation was cut short: it is kept if its pip still works, else made anew.
$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "Python 3.10 or newer is needed, and '$(PYTHON)' is not that. Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(MAKE) --no-print-directory new-venv; }
	@echo "Installing requirements.txt into $(VENV); the first time takes some minutes."
	@$(PY) -m pip install --quiet --requirement requirements.txt
	@touch $@

.PHONY: new-venv
new-venv:
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); \
		else echo "This Python cannot make a virtual environment. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; fi; }

dev: $(VENV)/installed-dev

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@$(PY) -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

# The browser tests need a Chromium; without one they skip and say so, which is no reason to fail here.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			echo "Installing Chromium for the browser tests."; \
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
				|| echo "Chromium could not be installed; the browser tests will skip."; \
		else echo "No Chromium here; the browser tests will skip."; fi; }

# A file's tests stay together, in the order that conftest gives them (quick ones first).
TEST_JOBS ?= auto
test: dev chromium
	@$(PY) -m pytest -rfEsR -n $(TEST_JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: dev
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

bench: dev
	@$(PY) -m benchmarks $(ARGS)

clean:
	@rm -rf $(VENV)
