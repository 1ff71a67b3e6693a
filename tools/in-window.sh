#!/usr/bin/env bash
# Run a command in a virtual screen of a known size, so that windows open (and look) the same everywhere.
set -euo pipefail

if [ "$(uname)" != Linux ]; then
    exec "$@"
fi
if ! command -v xvfb-run >/dev/null; then
    echo "xvfb-run is missing, so no window can open here. Type: sudo apt-get install -y xvfb xauth" >&2
    exit 1
fi
# A Wayland session would otherwise win over the virtual screen.
unset WAYLAND_DISPLAY
export QT_QPA_PLATFORM=xcb
exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
