#!/bin/bash
# Build a Debian 13 tree in which the unmodified picamera2 runs on libcamera's own virtual camera.
#   build_tree.sh DIR        needs root and Debian's package mirror; 2-3 minutes, about 750 MB; nothing to do when DIR is ready
# libcamera comes from trixie-backports: the virtual camera of trixie's 0.4.0 leaves its frames' status uninitialised, and
# picamera2 then drops every frame. NumPy and OpenCV have the versions of Debian 13's own packages, the project's lower bounds.
set -euo pipefail
tree=$1
recipe=$(sha256sum "$0" | cut -c1-16)
[ "$(cat "$tree/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "the rig needs root: a Debian tree is unpacked and entered" >&2; exit 3; }
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
mirror=${mirror:-$(awk '/^deb /{print $2; exit}' /etc/apt/sources.list)}
export DEBIAN_FRONTEND=noninteractive
command -v mmdebstrap >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends mmdebstrap; } >&2

part=$tree.part # renamed when complete, so that a build that was cut off is never used
rm -rf --one-file-system "$part"
mkdir -p "$(dirname "$part")"
mmdebstrap --quiet --variant=minbase --aptopt='Apt::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=python3-libcamera/trixie-backports,python3-venv,python3-prctl,ca-certificates trixie "$part" \
  "deb $mirror trixie main" "deb $mirror trixie-backports main"
cp /etc/ssl/certs/ca-certificates.crt "$part/etc/ssl/certs/"
cp /etc/resolv.conf "$part/etc/" 2>/dev/null || true
pip="chroot $part /venv/bin/pip install -q --disable-pip-version-check --no-cache-dir"
chroot "$part" python3 -m venv --system-site-packages /venv
$pip --no-deps picamera2==0.3.38 # PiDNG, videodev2 and friends are installed below or stood in for by virtual_camera.py
$pip 'numpy==2.2.*' 'opencv-python-headless==4.10.*' piexif pillow simplejpeg videodev2 av libarchive-c tqdm jsonschema OpenEXR \
  pytest hypothesis
echo "$recipe" >"$part/.recipe"
rm -rf --one-file-system "$tree"
mv "$part" "$tree"
