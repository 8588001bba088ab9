import type { Vm } from '../../src/vm/index.ts'
import { stageOne } from '../../src/vm/initramfs/scripts.ts'

/** /init of a guest's initrd that first tells the checksum of /payload in it: whether it arrived as it was. */
export const initWithChecksum = `#!/bin/sh
/bin/busybox mount -t devtmpfs dev /dev
echo "payload $(/bin/busybox sha256sum </payload)" >/dev/kmsg
/bin/busybox umount /dev
${stageOne.replace('#!/bin/sh\n', '')}`

/**
 * A directory of the machine to overlay the initrd with: random bytes, and an /init that tells their checksum.
 * @returns that checksum
 */
export async function makeOverlay(
  vm: Vm,
  directory: string,
  bytes: number,
  options: { deadline?: number } = {},
): Promise<string> {
  const { stdout } = await vm.run(
    `mkdir ${directory} && head -c ${bytes} /dev/urandom > ${directory}/payload
cat > ${directory}/init <<'END'
${initWithChecksum}
END
chmod 755 ${directory}/init; sha256sum <${directory}/payload`,
    options,
  )
  return stdout.split(' ', 1)[0] as string
}
