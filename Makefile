# `make run` and `make test` are all a newcomer needs; both set everything up first.
PYTHON_ENV := .venv/bin/python
IN_WINDOW := tools/in-window.sh

.PHONY: run test fuzz monkey bench kills soak docs clean setup lint lock update
.DEFAULT_GOAL := run

setup:
	@tools/setup.sh

# Opens napari with a sample of real tissue and the docks open; without a display, leaves a screenshot.
run: setup
	@tools/run.sh

lint: setup
	@$(PYTHON_ENV) -m ruff check .
	@$(PYTHON_ENV) -m ruff format --check .
	@$(PYTHON_ENV) -m mypy
	@$(PYTHON_ENV) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

test: lint
	@$(IN_WINDOW) $(PYTHON_ENV) -m pytest

# Changed files for every reader; what a reader does not survive stays in build/fuzz.
fuzz: MINUTES := 30
fuzz: setup
	@nice -n 10 $(PYTHON_ENV) -m tests.fuzz --minutes $(MINUTES)

# Anything pressed in a window with every dock; what was done stands in build/monkey.
monkey: MINUTES := 9
monkey: setup
	@$(IN_WINDOW) $(PYTHON_ENV) -m tests.monkey --minutes $(MINUTES)

# Prints the table and writes build/benchmarks.json.
bench: setup
	@$(IN_WINDOW) $(PYTHON_ENV) -m tests.benchmarks

# Kills 120 windows at work, 20 at each kind, and 30 cohorts, and compares what they had said with what is kept.
kills: setup
	@NUCLOOP_KILLS=20 $(IN_WINDOW) $(PYTHON_ENV) -m pytest tests/gui/test_killed_window.py
	@NUCLOOP_KILLS=10 $(PYTHON_ENV) -m pytest tests/cohort/test_killed.py

# Works on five slides in one window for 20 minutes, and measures what memory that leaves taken.
soak: setup
	@$(IN_WINDOW) $(PYTHON_ENV) -m tests.benchmarks.soak

docs: setup
	@$(PYTHON_ENV) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/docs.txt
	@$(PYTHON_ENV) -m mkdocs build --strict --site-dir build/site

# For a dependency that pyproject.toml has gained or bound anew; everything else stays as it is.
lock: setup
	@$(PYTHON_ENV) tools/update_lock.py

# The newest of everything. The new lock stays when a test fails; git has the old one.
update: setup
	@$(PYTHON_ENV) tools/update_lock.py --upgrade
	@$(MAKE) test

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
