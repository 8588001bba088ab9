import type { FirmwareOptions } from '../../../src/vm/index.ts'
import type { ImageName, ModeImages } from './images.ts'

/** A state of a machine in which kernels are offered to it. */
export interface Scenario {
  /** Directory of its fixture. */
  readonly name: string
  /** Row of the table. */
  readonly title: string
  /** Shell that brings the machine into this state. There is no way back to the one before. */
  readonly enter?: string
  /** Starts the machine's own kernel anew before, by our own commands. */
  readonly kexec?: true
  /** What commands run under: the program and arguments that come before them. */
  readonly within?: string
  /** Default: the four that every machine is offered. */
  readonly images?: readonly ImageName[]
  /** Why nobody could tell beforehand. Where this is not said, a prediction has to be made. */
  readonly unknowable?: string
}

/** A machine and what it goes through, in this order. */
export interface ModeMachine {
  /** Which of Debian's kernels it runs. */
  readonly kernel: 'older' | 'newer'
  /** Added to its command line. */
  readonly append?: string
  /** UEFI with Secure Boot, shim and signed GRUB; without it QEMU starts the kernel. */
  readonly firmware?: (images: ModeImages) => FirmwareOptions
  /** The root file system is the initrd: no module is needed to reach it. */
  readonly rootInInitrd?: true
  readonly scenarios: readonly Scenario[]
}

const four = ['signed', 'flipped', 'unsigned', 'own'] as const
const five = [...four, 'forbidden'] as const
const appraised = ['signed', 'unsigned', 'appraised'] as const

const KERNEL = '/proc/sys/kernel'
const IMA_POLICY = '/sys/kernel/security/ima/policy'

/** Gives the image its attribute. */
const setAttribute = '/usr/bin/setfattr -n security.ima -v 0x$(cat /images/attribute) /images/appraised'

/** IMA of a kernel without INTEGRITY_TRUSTED_KEYRING looks into a keyring that root makes (security/integrity/digsig.c). */
const addImaKey = `ring=$(keyctl newring _ima @u) && keyctl padd asymmetric '' $ring < /images/certificate.der`

const appraiseKernels = 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig'

const forbidden = ({ reports }: ModeImages) => [Buffer.from(reports.forbidden.authenticodeSha256 ?? '', 'hex')]

export const imagesOf = ({ images }: Scenario): readonly ImageName[] => images ?? four

export const machines: readonly ModeMachine[] = [
  {
    kernel: 'newer',
    scenarios: [
      { name: 'plain', title: 'BIOS, nothing set' },
      {
        name: 'no-capability',
        title: '— without CAP_SYS_BOOT',
        within: '/usr/bin/setpriv --bounding-set -sys_boot --inh-caps -sys_boot',
      },
      {
        name: 'ordinary-user',
        title: '— as an ordinary user',
        within: '/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups',
      },
      {
        name: 'user-namespace',
        title: '— root of a user namespace',
        within: '/usr/bin/unshare --user --map-root-user',
      },
      { name: 'pid-namespace', title: '— in a child pid namespace', within: '/usr/bin/unshare --pid --fork' },
      {
        name: 'seccomp',
        title: '— under a seccomp filter',
        within: '/usr/local/bin/deny_kexec 1 --',
        unknowable: 'what a filter refuses cannot be read',
      },
      {
        name: 'limit-used-up',
        title: '— kexec_load_limit_reboot, once 1, used up',
        enter: `echo 1 > ${KERNEL}/kexec_load_limit_reboot && /usr/local/bin/try-kexec /images/signed`,
      },
    ],
  },
  {
    kernel: 'older',
    scenarios: [
      { name: 'plain-6.1', title: 'BIOS, nothing set' },
      {
        name: 'ima-own-rule',
        title: '— an IMA rule written at run time, no key',
        enter: `${setAttribute} && echo '${appraiseKernels}' > ${IMA_POLICY}`,
        images: appraised,
        unknowable: 'this kernel does not show its IMA rules (IMA_READ_POLICY)',
      },
      {
        name: 'disabled',
        title: '— kexec_load_disabled=1',
        enter: `echo 1 > ${KERNEL}/kexec_load_disabled`,
      },
    ],
  },
  {
    kernel: 'newer',
    append: 'lockdown=integrity',
    scenarios: [
      { name: 'lockdown-integrity', title: 'BIOS, lockdown=integrity' },
      {
        name: 'lockdown-raised',
        title: '— raised to confidentiality',
        enter: 'echo confidentiality > /sys/kernel/security/lockdown',
      },
    ],
  },
  {
    kernel: 'older',
    append: 'lockdown=confidentiality',
    scenarios: [{ name: 'lockdown-confidentiality', title: 'BIOS, lockdown=confidentiality' }],
  },
  {
    kernel: 'newer',
    append: 'ima_policy=secure_boot ima_appraise=enforce rdinit=/sbin/init',
    rootInInitrd: true,
    scenarios: [
      {
        name: 'ima-without-key',
        title: 'BIOS, ima_policy=secure_boot, no key',
        enter: setAttribute,
        images: appraised,
      },
      {
        name: 'ima-with-key',
        title: '— our key in _ima',
        enter: addImaKey,
        images: appraised,
        unknowable: 'the key of an IMA signature cannot be read, so that only the kernel can verify it',
      },
    ],
  },
  {
    kernel: 'newer',
    firmware: (images) => ({ forbidden: forbidden(images) }),
    scenarios: [
      { name: 'secure-boot', title: 'Secure Boot', images: five },
      { name: 'secure-boot-kexec', title: '— after a kexec', kexec: true, images: five },
    ],
  },
  {
    kernel: 'older',
    firmware: () => ({}),
    scenarios: [{ name: 'secure-boot-6.1', title: 'Secure Boot' }],
  },
  {
    kernel: 'newer',
    firmware: ({ certificate }) => ({ certificates: [certificate] }),
    scenarios: [{ name: 'secure-boot-db', title: 'Secure Boot, our key in db' }],
  },
  {
    kernel: 'newer',
    firmware: ({ certificate }) => ({ machineOwnerKeys: [certificate] }),
    scenarios: [{ name: 'secure-boot-mok', title: 'Secure Boot, our key enrolled with shim' }],
  },
  {
    kernel: 'newer',
    firmware: () => ({ validation: false }),
    scenarios: [{ name: 'validation-off', title: 'Secure Boot, validation switched off in shim' }],
  },
  {
    kernel: 'newer',
    firmware: () => ({ secureBoot: false }),
    scenarios: [
      { name: 'secure-boot-off', title: 'UEFI, Secure Boot switched off' },
      {
        name: 'limit-zero',
        title: '— kexec_load_limit_reboot=0',
        enter: `echo 0 > ${KERNEL}/kexec_load_limit_reboot`,
      },
    ],
  },
]
