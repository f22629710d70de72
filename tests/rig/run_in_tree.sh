#!/bin/bash
# Run pytest inside the rig's tree, with this checkout bound in read-only and a virtual camera that shows moving pictures.
#   run_in_tree.sh TREE [pytest arguments]
# Everything is mounted in a namespace of its own, which ends with the last process in it; the tree stays as it is.
set -euo pipefail
tree=$(realpath "$1")
shift
checkout=$(realpath "$(dirname "$0")/../..")
scratch=$(mktemp -d)
trap 'rmdir "$scratch"' EXIT
unshare --mount --propagation private bash -euc '
  tree=$1 checkout=$2 scratch=$3
  shift 3
  mount -t tmpfs tmpfs "$scratch"
  mkdir "$scratch"/{upper,work,root}
  root=$scratch/root
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
  mkdir -p "$root"/rig/{frames,checkout,shim} "$root/usr/share/libcamera/pipeline/virtual"
  mount -t proc proc "$root/proc"
  for node in null zero full random urandom; do touch "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node"; done
  mount --bind "$checkout" "$root/rig/checkout"
  mount -o remount,bind,ro "$root/rig/checkout"
  mount --bind "$checkout/tests/rig/shim" "$root/rig/shim"
  cp "$checkout/tests/rig/virtual.yaml" "$root/usr/share/libcamera/pipeline/virtual/"
  unset GATEWAY_RIG PIP_FIND_LINKS
  export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/rig/checkout HOME=/root PATH=/usr/sbin:/usr/bin
  export LIBCAMERA_LOG_LEVELS=*:ERROR PICAMERA2_LOG_LEVEL=0
  chroot "$root" python3 /rig/checkout/tests/rig/make_frames.py /rig/frames square
  chroot "$root" sh -c "cd /rig/checkout && exec python3 -m pytest \"\$@\"" sh \
    -p no:cacheprovider --noconftest -W "ignore:setDaemon:DeprecationWarning" "$@"
' bash "$tree" "$checkout" "$scratch" "$@"
