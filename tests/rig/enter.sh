#!/bin/bash
# Run a shell command in a throw-away copy of a Debian tree that is not booted; for a foreign architecture too.
#   enter.sh TREE FOLDER COMMAND     FOLDER is /rig/shared in there, for what goes in and comes out
set -euo pipefail
scratch=$(mktemp -d)
trap 'rmdir "$scratch"' EXIT
unshare --mount --propagation private bash -euc '
  tree=$1 folder=$2 command=$3 scratch=$4
  mount -t tmpfs tmpfs "$scratch"
  mkdir "$scratch"/{upper,work,root}
  root=$scratch/root
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
  mkdir -p "$root/rig/shared"
  mount -t proc proc "$root/proc"
  for node in null zero full random urandom; do touch "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node"; done
  mount --bind "$folder" "$root/rig/shared"
  exec env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive QEMU_CPU=cortex-a72 \
    chroot "$root" sh -euc "$command"
' bash "$(realpath "$1")" "$(realpath "$2")" "$3" "$scratch"
