#!/bin/bash
# Check with bench/quality that resized samples are at least as accurate as those of vipsthumbnail. Exit status 77
# means that the tools for this check are missing.
#
#     quality.sh TREE PIXPOOL
set -euo pipefail

if ! command -v vipsthumbnail > /dev/null; then
	echo 'skipped: no vipsthumbnail (libvips-tools)'
	exit 77
fi
# The first python3 in PATH may lack the modules that Debian packages install.
has_modules() {
	"$1" -c 'import numpy, PIL.ImageCms' 2> /dev/null
}
python=python3
has_modules "$python" || python=/usr/bin/python3
if ! has_modules "$python"; then
	echo 'skipped: no python3 with numpy and Pillow (python3-numpy python3-pil)'
	exit 77
fi
cd "$1/samples/pictures"
"$python" "$1/bench/quality" -p "$2" -s 256 -s 1600 balloon.png dunes.jpg lake.jpg lighthouse.tiff \
	meadow.webp pendulum.gif orientation/6.jpg
