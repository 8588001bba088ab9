/** The shell scripts that run in a guest. busybox runs them: they come up before anything else is there. */

/** Serial number of the root disk, which stage 1 looks for, so that the command line need not name it. */
export const ROOT_SERIAL = 'linux-kexec-root'

/** The place of the agent in the guest. */
export const AGENT = '/usr/lib/linux-kexec-vm/agent'

/** The list of the root image's large files, which root-image.ts writes and stage 1 reads. */
export const LARGE_FILES = '/usr/lib/linux-kexec-vm/large-files'

/** busybox applets that stage 1 calls. */
export const stageOneApplets = [
  'sh',
  'mount',
  'mkdir',
  'insmod',
  'cat',
  'cpio',
  'dd',
  'truncate',
  'usleep',
  'switch_root',
]

/** Shell that unpacks the root disk, $disk, into the working directory. @param busybox what comes before its applets' names */
export const unpackRoot = (busybox = '') => `${busybox}cpio -i -d -m <"$disk" || exit 1
end=$(($(${busybox}cat "/sys/block/\${disk#/dev/}/size") / 2048))
while read -r back blocks size path; do
  copy() { ${busybox}dd if="$disk" of="$path" bs=1M skip=$((end - back)) count="$blocks" "$@" 2>/dev/null; }
  # Not every disk can be read without the cache.
  copy iflag=direct || copy || exit 1
  ${busybox}truncate -s "$size" "$path"
done <.${LARGE_FILES}`

/**
 * /init of every initrd: unpacks the root disk (root-image.ts) into memory and moves there. It needs nothing of the
 * command line, so a kernel started by kexec with any command line comes up with the same userland.
 *
 * Programs always lie at the same addresses. An emulator translates code again for each address at which it runs. After
 * a system has started hundreds of programs, it has so much to discard that the next kernel takes minutes to overwrite
 * their memory.
 */
export const stageOne = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
echo 0 >/proc/sys/kernel/randomize_va_space
for module in /modules/*; do
  [ -f "$module" ] && insmod "$module"
done
disk=
tries=0
cd /sys/block || exit 1
while [ -z "$disk" ]; do
  for name in *; do
    [ -f "$name/serial" ] && [ "$(cat "$name/serial")" = ${ROOT_SERIAL} ] && disk=/dev/$name
  done
  [ -n "$disk" ] && break
  tries=$((tries + 1))
  if [ "$tries" -gt 1000 ]; then
    echo "linux-kexec/vm: the root disk did not appear within 10 s; has this kernel virtio_pci and virtio_blk?" >/dev/console
    exit 1
  fi
  usleep 10000
done
mount -t tmpfs -o size=90%,mode=755 root /root
cd /root || exit 1
(
${unpackRoot()}
) || { echo "linux-kexec/vm: the root disk could not be unpacked" >/dev/console; exit 1; }
mkdir -p dev proc sys run tmp
for kernel in dev proc sys; do
  mount -o move /$kernel /root/$kernel
done
exec switch_root /root /sbin/init
`

/**
 * PID 1 of the busybox userland. Without handlers the kernel keeps fatal signals from PID 1, so TERM and KILL to all leave
 * it running, as they must for a direct hand-over. USR2 powers the machine off, as it does for busybox init.
 */
export const busyboxInit = `#!/usr/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux
[ -d /proc/self ] || mount -t proc proc /proc
[ -d /sys/kernel ] || mount -t sysfs sys /sys
[ -c /dev/null ] || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,gid=5 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t securityfs security /sys/kernel/security 2>/dev/null
if [ -d /sys/firmware/efi ]; then
  insmod "/usr/lib/modules/$(uname -r)/kernel/efivarfs.ko" 2>/dev/null
  mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
fi
hostname guest
ip link set lo up 2>/dev/null
setsid ${AGENT} &
trap 'sync; poweroff -f' USR2
# An orphan's end interrupts the read; asking for jobs reaps it. Nothing is started here that a kill of all would hit.
trap : CHLD
mkfifo /run/init
exec 9<>/run/init
while :; do
  read -r -t 3600 line <&9
  jobs >/dev/null
done
`

/**
 * Takes SSSE3, XOP, AVX and AVX2 from the OpenSSL that is built into Node (OPENSSL_ia32cap(3)). QEMU emulates instructions on vectors
 * so slowly that a SHA-256 takes four times as long with them as without, and `linux-kexec plan` a third longer.
 */
const PLAIN_INSTRUCTIONS = '~0x10000a0000000000:~0x20'

/**
 * The agent: runs what the host sends down the second port of the machine. Both ways lines of words, contents in base64:
 *
 *     host:  part ID B64   exec ID B64   spawn ID B64          (a script in parts, the last one with the verb)
 *     guest: boot B64      more ID       exit ID STATUS OUT ERR      spawned ID
 *
 * It answers a part before the next is sent, because a serial port has no flow control and the kernel drops what it cannot
 * hold. Only lines that begin with these verbs count, so noise on the line does no harm.
 */
export const agent = (port: string) => String.raw`#!/usr/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export OPENSSL_ia32cap='${PLAIN_INSTRUCTIONS}'
bb=/usr/bin/busybox
until port=$(echo ${port}) && [ -c "$port" ]; do $bb usleep 10000; done
exec 3<>"$port"
$bb stty raw -echo <&3
work=/run/linux-kexec-vm
$bb mkdir -p -m 700 $work
cd /root
describe() {
  $bb uname -r
  $bb uname -a
  $bb cat /proc/cmdline /proc/sys/kernel/random/boot_id
  $bb sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
}
echo >&3
echo "boot $(describe | $bb base64 -w 0)" >&3
while IFS=' ' read -r verb id body <&3; do
  case $verb in part | exec | spawn) ;; *) continue ;; esac
  script=$work/script.$id
  echo "$body" | $bb base64 -d >>$script
  case $verb in
    part)
      echo "more $id" >&3
      ;;
    exec)
      /bin/sh $script >$work/out 2>$work/err </dev/null 3>&-
      status=$?
      { printf 'exit %s %s ' $id $status; $bb base64 -w 0 $work/out; printf ' '; $bb base64 -w 0 $work/err; echo; } >&3
      $bb rm -f $script $work/out $work/err
      ;;
    spawn)
      $bb setsid /bin/sh $script >/dev/console 2>&1 </dev/null 3>&- &
      echo "spawned $id" >&3
      ;;
  esac
done
`

/** The agent as a service of systemd. It stays out of the way of an orderly shutdown: killed last, waited for never. */
export const agentUnit = `[Unit]
Description=linux-kexec/vm agent

[Service]
ExecStart=${AGENT}
KillMode=process
TimeoutStopSec=1
StandardInput=null
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
`
