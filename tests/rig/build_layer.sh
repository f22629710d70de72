#!/bin/bash
# Build a layer over the rig's tree with more of Debian 13's packages; the tree stays as it is.
#   build_layer.sh TREE LAYER PACKAGE...     needs root and Debian's mirror; a minute or two; nothing to do when it is ready
# With a kernel among them the layer has an initial RAM disk for a virtual machine's disk in /boot.
set -euo pipefail
tree=$(realpath "$1") layer=$2
shift 2
recipe=$(cat "$0" "$tree/.recipe" - <<<"$*" | sha256sum | cut -c1-16)
[ "$(cat "$layer/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
exec 9>"$layer.lock" # two test runs must not build the same layer
flock 9
[ "$(cat "$layer/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
part=$layer.part # renamed when complete, so that a build that was cut off is never used
rm -rf --one-file-system "$part" "$part.work"
mkdir "$part" "$part.work"
scratch=$(mktemp -d)
trap 'rmdir "$scratch"; rm -rf --one-file-system "$part.work"' EXIT
unshare --mount --propagation private bash -euc '
  tree=$1 part=$2 root=$3
  shift 3
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$part,workdir=$part.work" "$root"
  mount -t proc proc "$root/proc"
  for node in null zero full random urandom; do touch "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node"; done
  mkdir -p "$root/etc/initramfs-tools/conf.d"
  echo MODULES=list >"$root/etc/initramfs-tools/conf.d/rig"
  printf "%s\n" virtio_pci virtio_blk ext4 >"$root/etc/initramfs-tools/modules"
  printf "#!/bin/sh\nexit 101\n" >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d" # start nothing
  cd / && exec env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" sh -euc "
    apt-get -q update
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold install $*
    apt-get -q clean
    rm -r /var/lib/apt/lists/* /usr/sbin/policy-rc.d"
' bash "$tree" "$part" "$scratch" "$@" >"$layer.log" 2>&1 || { tail -n 20 "$layer.log" >&2; exit 1; }
echo "$recipe" >"$part/.recipe"
rm -rf --one-file-system "$layer"
mv "$part" "$layer"
