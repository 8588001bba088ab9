import { variables } from './efi-variables.mjs'

/** As grub-editenv writes it: 1024 bytes. */
export function environmentBlock(values) {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`)
  return `# GRUB Environment Block\n${lines.join('')}`.padEnd(1024, '#')
}

const VERSION = '6.1.0-50-cloud-amd64'

/** Configurations that test/fixtures has none of, as their manuals show them, for the kernel that the targets' tree has. */
export const menuSeeds = {
  raspberryPi: [
    `# comment\narm_64bit=1\nkernel=vmlinuz\n[pi4]\ninitramfs initrd.img followkernel\n[0x1234abcd]\ncmdline=other.txt
[board-type=0x14]\nos_prefix=new/\n[gpio4=1]\nkernel=b\n[HDMI:0]\n[none]\n[all]\ndtoverlay=vc4-kms-v3d,cma-128\ndtparam=audio=on
include more.txt\nauto_initramfs=1\ndevice_tree_address=0x1000\n`,
  ],
  refind: [
    `timeout 20\nscanfor internal,external,optical,manual\ndefault_selection "+,vmlinuz,2" 08:00 22:00
scan_all_linux_kernels true\nfold_linux_kernels false\nextra_kernel_version_strings linux-lts,linux
dont_scan_dirs ESP:/EFI/boot,EFI/Dell\nalso_scan_dirs boot,@/boot\ndont_scan_files shim.efi\ninclude more.conf
menuentry "Arch Linux" {\n  icon /EFI/refind/icons/os_arch.png\n  volume "Arch"\n  loader /vmlinuz-${VERSION}
  initrd /initrd.img-${VERSION}\n  options "root=PARTUUID=1 rw add=""quoted"""\n  ostype Linux\n  graphics on
  submenuentry "fallback" {\n    initrd /initrd.img\n    add_options "single"\n    disabled\n  }\n  disabled\n}
menuentry Other {\n  loader \\vmlinuz-${VERSION}\n  firmware_bootnum 80\n}\n`,
  ],
  refindLinux: [
    `# made by mkrlconf\n"Boot with standard options"  "ro root=UUID=1 quiet initrd=\\initrd.img-%v"
"Boot to single-user mode"    "ro root=UUID=1 single"\nMinimal "ro ""root""=/dev/sda1"\n`,
  ],
  limine: [
    `timeout: 5\ndefault_entry: 2\nremember_last_entry: yes\n\${NAME}=Arch\n\n/\${NAME} Linux\n    protocol: linux\n    comment: text
    path: boot():/vmlinuz-${VERSION}#0123\n    cmdline: root=/dev/sda1 \\\n      rw\n    module_path: boot():/initrd.img-${VERSION}
    module_path: $boot():/initrd.img\n/+More\n//Efi\n    protocol: efi\n    path: guid(01234567-89ab-cdef-0123-456789abcdef):/a.efi
//Other\n    protocol: linux\n    kernel_path: hdd(1:2):/vmlinuz\n    dtb_path: fslabel(ROOT):/a.dtb\n`,
  ],
  limine7: [
    `TIMEOUT=5\nDEFAULT_ENTRY=1\n\${A}=x\n:Linux \${A}\nCOMMENT=text\nPROTOCOL=linux\nKERNEL_PATH=boot:///vmlinuz-${VERSION}
KERNEL_CMDLINE=root=/dev/sda1 rw\nMODULE_PATH=boot:///initrd.img-${VERSION}\n:+Dir\n::Sub\nPROTOCOL=chainload
KERNEL_PATH=guid://1/vmlinuz\n`,
  ],
  gentooKexec: [
    `# Kernel partition\nBOOTPART="/boot"\nROOTPART="/dev/sda\${X:-1}"\nKNAME="vmlinuz-${VERSION}"\nINITRD='initrd.img-${VERSION}'
KPARAM="quiet \\"a\\" $KNAME"\nKEXEC_OPT_ARGS="-x"\nDONT_MOUNT_BOOT=yes\nLOAD_DURING_SHUTDOWN="yes"; export A=b\n`,
  ],
  debianKexec: [
    `# Defaults for kexec initscript\nLOAD_KEXEC=true\nKERNEL_IMAGE="/boot/vmlinuz-${VERSION}"\nINITRD="/boot/initrd.img-${VERSION}"
APPEND="root=/dev/sda1 \\\n  ro"\nUSE_GRUB_CONFIG=false\n`,
  ],
  efiVariables: [
    variables({ LoaderInfo: 'systemd-boot 252.5', LoaderEntryOneShot: 'b.conf', LoaderEntrySelected: 'a.conf' }),
    variables({ LoaderInfo: 'systemd-boot 240 pop', LoaderEntryDefault: 'b*', LoaderEntries: 'a\0b\0auto-windows' }),
    variables({ LoaderEntryDefault: '@saved', LoaderEntryLastBooted: 'a.conf', SecureBoot: 1, SetupMode: 0 }),
  ],
}
