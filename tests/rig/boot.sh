#!/bin/bash
# Boot a Debian tree with systemd as PID 1, in a cgroup of its own at the root of the unified hierarchy.
#   boot.sh NAME LOWER UPPER WORK ROOT [options of systemd-nspawn]
# LOWER: trees, colon separated, the uppermost first, which stay as they are; UPPER takes what is written; ROOT: empty.
# nspawn wants a pure cgroup2: one is mounted in a mount namespace of our own, which ends with the last process in it, and
# the overlay with it. Without CAP_BPF and the call `bpf`, DeviceAllow= and IPAddressDeny= are silently not applied;
# without the adjtimex calls nobody in there can ask whether the clock is synchronised, as everybody can on a device.
set -euo pipefail
exec unshare --mount --propagation private bash -euc '
  name=$1 lower=$2 upper=$3 work=$4 root=$5
  shift 5
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir -p "/sys/fs/cgroup/$name"
  echo $$ >"/sys/fs/cgroup/$name/cgroup.procs"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
  exec systemd-nspawn --quiet --directory="$root" --machine="$name" --boot --register=no --keep-unit \
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe \
    --system-call-filter="bpf adjtimex clock_adjtime" --capability=CAP_BPF,CAP_PERFMON "$@"
' boot "$@"
