#!/bin/sh
# Prints the path of a Python that can make the project's environments: 3.11 or newer, with venv and ensurepip.
# Usage: find_python.sh [NAME_OR_PATH]   only that one is tried where given, else the usual names in turn.
candidates=${1:-"python3 python python3.13 python3.12 python3.11 python3.14"}
for name in $candidates; do
    path=$("$name" -c 'import ensurepip, sys, venv; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' 2>/dev/null) || continue
    echo "$path"
    exit 0
done

echo "setup: found no Python 3.11 or newer that can make virtual environments." >&2
for name in $candidates; do
    version=$("$name" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null) || version="not found"
    echo "  tried $name: $version" >&2
done
echo "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name yours: make setup PYTHON=/path/to/python3" >&2
exit 1
