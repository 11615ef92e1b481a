#!/bin/bash
# The samples come out as large as vipsthumbnail makes them and no worse: bench/quality says so. Its status is 77 where
# the tools for it are missing.
#
#     quality.sh TREE PIXPOOL
set -euo pipefail

if ! command -v vipsthumbnail > /dev/null; then
	echo 'skipped: no vipsthumbnail (libvips-tools)'
	exit 77
fi
# The first python3 of the path may be one without Debian's modules.
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
