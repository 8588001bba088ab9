/** /proc/cmdline as machines have it; identifiers are made up. */
export const commandLines = {
  debian9:
    'BOOT_IMAGE=/boot/vmlinuz-4.9.0-12-amd64 root=UUID=6d0c2b4e-4f3f-4b0e-9a55-5c1d7f0c9f11 ro net.ifnames=0 biosdevname=0 cgroup_enable=memory console=tty0 console=ttyS0,115200 notsc scsi_mod.use_blk_mq=Y quiet\n',
  debian12: 'BOOT_IMAGE=/vmlinuz-6.1.0-50-amd64 root=/dev/mapper/debian--vg-root ro quiet\n',
  debianCloud:
    'BOOT_IMAGE=/boot/vmlinuz-6.1.0-50-cloud-amd64 root=PARTUUID=1f7d6c0a-7c2e-4d2c-a7f1-0f9b2d5d4a55 ro console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0\n',
  ubuntu:
    'BOOT_IMAGE=/boot/vmlinuz-6.8.0-49-generic root=UUID=0f5b2f8a-2a43-4c4e-9b0e-2d2a7f6b7b10 ro quiet splash vt.handoff=7\n',
  ubuntuCloud:
    'BOOT_IMAGE=/boot/vmlinuz-6.8.0-1018-aws root=PARTUUID=5e0b5f33-01 ro console=tty1 console=ttyS0 nvme_core.io_timeout=4294967295 panic=-1\n',
  fedora:
    'BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.11.4-301.fc41.x86_64 root=UUID=3e1c1d7c-51c2-4d3f-8a1e-6f0b5a9d2b1c ro rootflags=subvol=root rd.luks.uuid=luks-8f3d0d6e-0a5b-4b2c-9b8f-1b1f4a0f7a11 rhgb quiet\n',
  rhel9:
    'BOOT_IMAGE=(hd0,gpt3)/vmlinuz-5.14.0-427.13.1.el9_4.x86_64 root=/dev/mapper/rhel-root ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M resume=/dev/mapper/rhel-swap rd.lvm.lv=rhel/root rd.lvm.lv=rhel/swap\n',
  kdumpSplit:
    'BOOT_IMAGE=/vmlinuz-5.14.0 root=/dev/sda2 crashkernel=512M,high crashkernel=256M,low crashkernel=1G console=ttyS0\n',
  kdumpRunning:
    'BOOT_IMAGE=/vmlinuz-5.14.0 root=/dev/sda2 irqpoll nr_cpus=1 reset_devices elfcorehdr=867704K disable_cpu_apicid=0\n',
  tumbleweed:
    'BOOT_IMAGE=/boot/vmlinuz-6.11.5-1-default root=UUID=a0a5cd2b-ea5b-4bb6-9de1-13f2c9f51c4a splash=silent quiet security=apparmor mitigations=auto\n',
  arch: 'initrd=\\intel-ucode.img initrd=\\initramfs-linux.img root=PARTUUID=9bb9c8b5-4b65-4d47-8c55-2a5d1d0dd7a0 rw rd.luks.name=0a7c9c6d-1c4f-4b1a-8a1a-3f6d2c1e0b99=cryptroot rd.luks.options=discard,tpm2-device=auto\n',
  alpine:
    'BOOT_IMAGE=vmlinuz-lts root=UUID=4f6c3c2a-0c4a-4a3c-8a5e-90b1a7c0d2ee modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4 initrd=initramfs-lts\n',
  raspberryPi:
    'coherent_pool=1M 8250.nr_uarts=0 snd_bcm2835.enable_headphones=0 bcm2708_fb.fbwidth=1920 bcm2708_fb.fbheight=1080 bcm2708_fb.fbswap=1 smsc95xx.macaddr=DC:A6:32:00:00:01 vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000  console=ttyS0,115200 console=tty1 root=PARTUUID=738a4d67-02 rootfstype=ext4 fsck.repair=yes rootwait quiet splash plymouth.ignore-serial-consoles\n',
  dynamicDebug: 'root=/dev/vda1 dyndbg="file a.c +p; file b.c +p" ignore_loglevel\n',
  quotedWord: 'root=/dev/vda1 "quoted key=value" "acpi_osi=!Windows 2012" quiet\n',
  forInit: 'root=/dev/sda1 single -- emergency systemd.unit=rescue.target "two words"\n',
  liveWithMenuArguments: 'BOOT_IMAGE=/live/vmlinuz boot=live components quiet splash findiso= --- quiet\n',
  empty: '\n',
} as const
