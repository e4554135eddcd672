#!/bin/sh
# mypy over the package as it is imported: its three directories linked together in build/types. Called by `make lint`.
set -eu
mypy=$1
root=$PWD
tree=build/types
rm -rf "$tree"
mkdir -p "$tree/tailrace"
for part in "$root"/tailrace/*.py "$root"/tailrace/py.typed "$root"/pipeline "$root"/stages; do
    ln -s "$part" "$tree/tailrace/"
done
ln -s "$root/tests" "$root/benchmarks" "$root/sample_logs" "$tree/"
cd "$tree"
exec "$mypy" --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache"
