#!/usr/bin/env bash
# Locks pyproject.toml (base.txt) and the developers' tools (dev.txt) by hash, without any address.
set -euo pipefail
cd "$(dirname "$0")/.."
options=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet)
uv pip compile "${options[@]}" pyproject.toml -o requirements/base.txt
uv pip compile "${options[@]}" pyproject.toml requirements/dev.in -o requirements/dev.txt
