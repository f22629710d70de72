#!/bin/bash
# Let this machine run arm64 programs through qemu-user-static, also in a chroot (flag F: the emulator is opened now).
#   emulate_arm64.sh on|off     `on` prints what it had to do, for `off` to undo: mounted, registered, or nothing
# Set QEMU_CPU=cortex-a72: the default processor emulates pointer authentication, and everything takes eight times as long.
set -euo pipefail
binfmt=/proc/sys/fs/binfmt_misc
case $1 in
on)
    command -v qemu-aarch64-static >/dev/null ||
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-user-static; } >&2
    mountpoint -q $binfmt || { mount -t binfmt_misc binfmt_misc $binfmt && echo mounted; }
    [ -e $binfmt/qemu-aarch64 ] || {
        # The head of a little-endian ELF file for AArch64, and which of its bits count.
        printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' >$binfmt/register
        echo registered
    }
    ;;
off)
    [[ " $* " != *" registered "* ]] || echo -1 >$binfmt/qemu-aarch64
    [[ " $* " != *" mounted "* ]] || umount $binfmt
    ;;
esac
