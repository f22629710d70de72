#!/bin/bash
# Build the one Debian 13 tree of all rigs: it boots with systemd as PID 1, has what the package depends on, and the
# unmodified picamera2 runs in it on libcamera's own virtual camera.
#   build_tree.sh DIR     needs root and Debian's mirror; 3-5 minutes, about 1.6 GB; nothing to do when DIR is ready
#   build_tree.sh DIR arm64    the same for arm64 without the camera, under emulation (see emulate_arm64.sh); 10-20 minutes
# libcamera comes from trixie-backports: the virtual camera of trixie's 0.4.0 leaves its frames' status uninitialised, and
# picamera2 then drops every frame. Everything else is Debian 13's own, as on a device. The gateway itself is not in it.
set -euo pipefail
tree=$1 arch=${2:-$(dpkg --print-architecture)}
recipe=$(cat "$0" - <<<"$arch" | sha256sum | cut -c1-16)
[ "$(cat "$tree/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "the rig needs root: a Debian tree is unpacked and entered" >&2; exit 3; }
mkdir -p "$(dirname "$tree")"
exec 9>"$tree.lock" # two test runs must not build the same tree
flock 9
[ "$(cat "$tree/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
mirror=${mirror:-$(awk '/^deb /{print $2; exit}' /etc/apt/sources.list)}
export DEBIAN_FRONTEND=noninteractive
command -v mmdebstrap >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends mmdebstrap; } >&2

packages=systemd,systemd-sysv,dbus,polkitd,iproute2,procps,ca-certificates,faketime,strace
packages+=,python3-numpy,python3-opencv,python3-paho-mqtt,python3-pydantic-settings
if [ "$arch" != arm64 ]; then
  packages+=,python3-libcamera/trixie-backports,python3-prctl,python3-piexif,python3-pil,python3-av,python3-tqdm
  packages+=,python3-jsonschema,python3-libarchive-c,python3-pytest,python3-hypothesis,python3-pip
fi
part=$tree.part # renamed when complete, so that a build that was cut off is never used
rm -rf --one-file-system "$part"
mmdebstrap --quiet --variant=minbase --architectures="$arch" --dpkgopt=force-unsafe-io \
  --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$packages" trixie "$part" "deb $mirror trixie main" "deb $mirror trixie-backports main"
rm -f "$part"/etc/dpkg/dpkg.cfg.d/*mmdebstrap* # our own package's manual pages are to be installed
if [ "$arch" != arm64 ]; then
  cp /etc/ssl/certs/ca-certificates.crt "$part/etc/ssl/certs/"
  cp /etc/resolv.conf "$part/etc/resolv.conf" 2>/dev/null || true
  # Not in Debian. PiDNG and the like are stood in for by virtual_camera.py; NumPy stays Debian's.
  chroot "$part" env -u PIP_FIND_LINKS pip install -q --disable-pip-version-check --no-cache-dir --break-system-packages \
    --root-user-action=ignore --no-deps --only-binary :all: picamera2==0.3.38 simplejpeg videodev2 OpenEXR
  mkdir -p "$part/rig"
  # A virtual camera in every Python of the tree, loaded when picamera2 is first imported and not before.
  echo 'import sys; sys.path.append("/rig/shim"); __import__("when_imported") if __import__("os").path.exists("/rig/shim/when_imported.py") else None' \
    >"$part/usr/local/lib/python3.13/dist-packages/rig.pth"
fi
echo "$recipe" >"$part/.recipe"
rm -rf --one-file-system "$tree"
mv "$part" "$tree"
