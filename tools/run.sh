#!/usr/bin/env bash
# Open NucLoop on a sample of real tissue; without a display, do the same job and leave its results.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(uname)" != Linux ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ]; then
    exec .venv/bin/python -m nucloop app --sample ki67
fi

mkdir -p build/run
echo "There is no display here: the same job runs on a virtual screen."
tools/in-window.sh .venv/bin/python -m nucloop app --sample ki67 \
    --screenshot build/run/nucloop.png --export build/run/nuclei.geojson
echo "The window:  build/run/nucloop.png"
echo "The nuclei:  build/run/nuclei.geojson (drag it onto the image in QuPath)"
