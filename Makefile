# Every target sets itself up: all it needs is Python 3.11 or newer. The bodies are in scripts/.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench soak docs lock clean

help: ## List the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: ## Make .venv with the locked packages and this project in it
	@scripts/setup

demo: setup ## Run the product with two companies, a local Twilio and a mailbox (PORT=8000 DATA=demo-data)
	@.venv/bin/ringfence demo $(if $(PORT),--port $(PORT)) $(if $(DATA),--data $(DATA))

test: setup ## Run all checks, then all tests (ARGS="-k name" picks some)
	@scripts/test $(ARGS)

check: setup ## Format, lint, types, contracts of imports
	@scripts/check

bench: setup ## Run every benchmark and print its figures
	@scripts/bench

soak: setup ## Run the crash tests again and again (TIMES=20)
	@scripts/soak $(or $(TIMES),20)

docs: setup ## Write the generated reference pages
	@.venv/bin/python -m ringfence.cli.settings_table > docs/reference/settings.md

lock: setup ## Lock pyproject.toml and requirements/dev.in by hash, without addresses
	@PATH="$(CURDIR)/.venv/bin:$$PATH" requirements/lock.sh

clean: ## Remove .venv and what tools leave behind; data folders stay
	@rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
