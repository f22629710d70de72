#!/bin/bash
# Run pytest inside a tree that build_tree.sh made, with this checkout bound in read-only and a virtual camera installed.
#   run_in_tree.sh TREE [pytest arguments]
set -euo pipefail
tree=$(realpath "$1")
shift
checkout=$(realpath "$(dirname "$0")/../..")
mkdir -p "$tree/rig/frames" "$tree/rig/checkout" "$tree/usr/share/libcamera/pipeline/virtual"
cp "$checkout/tests/rig/virtual.yaml" "$tree/usr/share/libcamera/pipeline/virtual/"
# Everything is mounted in a namespace of its own, which ends with the last process in it.
exec unshare --mount --propagation private bash -euc '
  tree=$1 checkout=$2
  shift 2
  mount -t proc proc "$tree/proc"
  mount --bind "$checkout" "$tree/rig/checkout"
  mount -o remount,bind,ro "$tree/rig/checkout"
  export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/rig/checkout:/rig/checkout/tests:/rig/checkout/tests/rig HOME=/root
  export LIBCAMERA_LOG_LEVELS=*:ERROR PICAMERA2_LOG_LEVEL=0
  unset GATEWAY_RIG
  chroot "$tree" /venv/bin/python /rig/checkout/tests/rig/make_frames.py /rig/frames
  exec chroot "$tree" sh -c "cd /rig/checkout && exec /venv/bin/python -m pytest \"\$@\"" sh \
    -p virtual_camera -p no:cacheprovider --noconftest -W "ignore:setDaemon:DeprecationWarning" "$@"
' bash "$tree" "$checkout" "$@"
