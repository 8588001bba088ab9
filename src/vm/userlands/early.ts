/** The first step for an init system without scripts of its own: the mounts of a distribution's boot scripts. */
export const mountEarly = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# After an init that has started again, they may be read-only.
for directory in / /dev /run; do
  mount -o remount,rw $directory 2>/dev/null
done
[ -e /proc/self ] || mount -t proc proc /proc
[ -e /sys/kernel ] || mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,gid=5 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mountpoint -q /run || mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
hostname guest
`
