"""Made-up machines for the tests of gateway/device: what /proc and /sys hold on each, as far as it is read.

Texts are as the kernel writes them: a device-tree string ends with NUL, everything else with a line break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BOOT = "5d1c8f00-6a4e-4d5a-9b0e-2f6f7d8c9e01\n"
MOUNTS = (
    "/dev/mmcblk0p2 / ext4 ro,noatime 0 0\n"
    "proc /proc proc rw,relatime 0 0\n"
    "/dev/mmcblk0p1 /boot/firmware vfat rw,relatime 0 0\n"
    "/dev/mmcblk0p2 /var/lib/camera-gateway ext4 rw,noatime 0 0\n"
)
"""As under ProtectSystem=strict: everything is read-only but the service's own folders."""
WIRELESS = (
    "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
    " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"
    " wlan0: 0000   52.  -58.  -256        0      0      0      0      0        0\n"
)
COMMON = {
    "proc/sys/kernel/random/boot_id": BOOT,
    "proc/sys/kernel/osrelease": "6.12.47+rpt-rpi-v8\n",
    "proc/uptime": "3471.52 12803.77\n",
    "proc/loadavg": "0.52 0.41 0.30 2/187 4242\n",
    "proc/self/mounts": MOUNTS,
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/fs/ext4/features/lazy_itable_init": "supported\n",
    "sys/fs/ext4/mmcblk0p2/errors_count": "0\n",
    "sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes": "48828125\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "52078\n",
    "sys/class/net/lo/operstate": "unknown\n",
    "sys/class/net/lo/carrier_changes": "0\n",
    "sys/block/mmcblk0/device/type": "SD\n",
    "sys/block/mmcblk0/device/name": "SC32G\n",
}
WIFI = {
    "proc/net/wireless": WIRELESS,
    "sys/class/net/wlan0/operstate": "up\n",
    "sys/class/net/wlan0/carrier_changes": "3\n",
}
CABLE = {"sys/class/net/eth0/operstate": "up\n", "sys/class/net/eth0/carrier_changes": "2\n"}
VOLTAGE = {"sys/class/hwmon/hwmon1/name": "rpi_volt\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n"}
TIMESYNC = {"run/systemd/timesync/synchronized": ""}


def memory(total_kb: int, available_kb: int) -> dict[str, str]:
    """Return a /proc/meminfo."""
    lines = (f"MemTotal: {total_kb:>14} kB", f"MemAvailable: {available_kb:>10} kB", "HugePages_Total:       0", "")
    return {"proc/meminfo": "\n".join(lines)}


def board(model: str, serial: str) -> dict[str, str]:
    """Return what the firmware says of itself through the device tree."""
    return {"proc/device-tree/model": model + "\0", "proc/device-tree/serial-number": serial + "\0"}


def zero_2_w() -> dict[str, str]:
    """Raspberry Pi Zero 2 W: 512 MB, Wi-Fi only; too little voltage earlier in this boot."""
    return (
        COMMON
        | board("Raspberry Pi Zero 2 W Rev 1.0", "00000000A1B2C3D4")
        | memory(437_000, 210_000)
        | WIFI
        | VOLTAGE
        | {"sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n"}
    )


def three_b_plus() -> dict[str, str]:
    """Raspberry Pi 3 Model B Plus: cable and Wi-Fi, hot, slowed down now; upstream kernel without get_throttled."""
    return (
        COMMON
        | board("Raspberry Pi 3 Model B Plus Rev 1.3", "00000000deadbeef")
        | memory(927_000, 500_000)
        | CABLE
        | WIFI
        | {"sys/class/hwmon/hwmon0/name": "rpi_volt\n", "sys/class/hwmon/hwmon0/in0_lcrit_alarm": "1\n"}
        | {"sys/class/thermal/thermal_zone0/temp": "83500\n"}
    )


def four() -> dict[str, str]:
    """Raspberry Pi 4 (Compute Module with eMMC), nothing wrong."""
    return (
        COMMON
        | board("Raspberry Pi Compute Module 4 Rev 1.1", "10000000abcdef01")
        | memory(3_880_000, 3_400_000)
        | CABLE
        | VOLTAGE
        | TIMESYNC
        | {
            "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
            "sys/block/mmcblk0/device/type": "MMC\n",
            "sys/block/mmcblk0/device/name": "BJTD4R\n",
            "sys/block/mmcblk0/device/life_time": "0x02 0x01\n",
            "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
        }
    )


def five() -> dict[str, str]:
    """Raspberry Pi 5: other name of the bus, two thermal zones, frequency capped now."""
    return (
        COMMON
        | board("Raspberry Pi 5 Model B Rev 1.0", "7f3c91d2a0b4e856")
        | memory(8_255_000, 7_600_000)
        | CABLE
        | VOLTAGE
        | {
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon2/name": "rp1_adc\n",
            "sys/class/hwmon/hwmon3/name": "pwmfan\n",
            "sys/class/rtc/rtc0/name": "rpi_rtc soc:rpi_rtc\n",
            "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "20002\n",
            "sys/class/thermal/thermal_zone0/type": "fan-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "-273000\n",
            "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "61450\n",
        }
    )


def no_pi() -> dict[str, str]:
    """A PC or virtual machine: no device tree, no card, no sensors, a disk that is no ext4."""
    return {
        "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\n",
        "proc/sys/kernel/random/boot_id": BOOT,
        "proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
        "proc/uptime": "99.10 180.00\n",
        "proc/loadavg": "1.00 0.50 0.20 1/99 77\n",
        "proc/self/mounts": "/dev/vda1 / xfs rw,relatime 0 0\n",
        "sys/devices/system/cpu/online": "0-1\n",
        "sys/class/hwmon/hwmon0/name": "acpitz\n",
    } | memory(8_000_000, 6_000_000)


MACHINES: dict[str, Callable[[], Mapping[str, str]]] = {
    "Zero 2 W": zero_2_w,
    "3B+": three_b_plus,
    "4": four,
    "5": five,
    "no Pi": no_pi,
}


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write the files below the root; return the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
