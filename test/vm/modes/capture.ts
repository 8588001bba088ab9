import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Files that tell of a machine's policy; what is not there is left out. */
const files = [
  '/proc/cmdline',
  '/proc/version',
  '/proc/keys',
  '/proc/meminfo',
  '/proc/self/status',
  '/proc/self/uid_map',
  '/proc/sys/kernel/kexec_*',
  '/proc/sys/kernel/osrelease',
  '/proc/sys/kernel/tainted',
  '/sys/firmware/efi/efivars/SecureBoot-*',
  '/sys/firmware/efi/efivars/SetupMode-*',
  '/sys/firmware/efi/efivars/Mok*',
  '/sys/firmware/efi/efivars/db-*',
  '/sys/firmware/efi/efivars/dbx-*',
  '/sys/kernel/boot_params/data',
  '/sys/kernel/kexec*',
  '/sys/kernel/kexec/*',
  '/sys/kernel/security/lockdown',
  '/sys/kernel/security/lsm',
  '/sys/kernel/security/ima/policy',
  '/sys/kernel/security/ima/violations',
]

/** The options of a kernel's configuration that have to do with loading kernels; the rest of its 280 KB is not kept. */
const options =
  'KEXEC|CRASH_DUMP|IMA|INTEGRITY|EVM|SECURITY_LOCKDOWN|LOCK_DOWN|LOAD_UEFI|LOAD_IPL|SYSTEM_|SECONDARY_|MODULE_SIG|LSM|KALLSYMS|X86_64|ARM64|DEBUG_KERNEL|MAGIC_SYSRQ|EFI|SIGNED_PE|PKCS7|IKCONFIG|LIVEUPDATE'

/** Names of functions in /proc/kallsyms that tell what the kernel was built with. */
const symbols = 'kexec|_printk|verify_pefile|bzImage64_verify_sig'

/**
 * Shell for a guest: prints a tar archive of these files. Run under what the commands run under, so that /proc/self is theirs.
 * A directory stands for a file that is there and cannot be read, since root reads any file; the owner may write it or not, as
 * before. (The kernel's IMA policy is such a file even for root, and whether it may be written tells of its past.)
 */
export const captureScript = `
umask 022
out=$(mktemp -d)
copy() {
  mkdir -p "$out/\${1%/*}"
  cat "$1" > "$out/$1" 2>/dev/null && return
  rm -f "$out/$1"
  case $(stat -c %a "$1") in [2367]*) mkdir -m 700 "$out/$1" ;; *) mkdir -m 500 "$out/$1" ;; esac
}
for file in ${files.join(' ')}; do [ -f "$file" ] && copy "$file"; done
for space in pid user; do mkdir -p "$out/proc/self/ns"; ln -s "$(readlink /proc/self/ns/$space)" "$out/proc/self/ns/$space"; done
for directory in /sys/kernel/security/ima /sys/firmware /sys/firmware/efi /sys/firmware/efi/efivars; do
  [ -d "$directory" ] && mkdir -p "$out/$directory"
done
release=$(uname -r)
mkdir -p "$out/boot"
{ head -n 4 /boot/config-$release; grep -E '^(# )?CONFIG_(${options})' /boot/config-$release; } > "$out/boot/config-$release"
grep -E ' [tTdD] [_a-z0-9]*(${symbols})[_a-z0-9]*$' /proc/kallsyms > "$out/proc/kallsyms"
tar -C "$out" -cf - . | gzip -c
rm -rf "$out"
`

/** Writes what was captured as an archive that is the same whenever the files are. */
export function writeCapture(archive: string, captured: Buffer): void {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-capture-'))
  try {
    const root = join(directory, 'root')
    mkdirSync(root)
    execFileSync('tar', ['-C', root, '-xzf', '-'], { input: captured })
    const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=ustar']
    const packed = execFileSync('tar', ['-C', root, ...same, '-cf', '-', '.'], { maxBuffer: 64 * 1024 * 1024 })
    writeFileSync(archive, execFileSync('gzip', ['-9', '-n'], { input: packed }))
  } finally {
    rmSync(directory, { recursive: true })
  }
}
