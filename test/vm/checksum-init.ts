import { stageOne } from '../../src/vm/scripts.ts'

/** /init of a guest's initrd that first tells the checksum of /payload in it: whether it arrived as it was. */
export const initWithChecksum = `#!/bin/sh
/bin/busybox mount -t devtmpfs dev /dev
echo "payload $(/bin/busybox sha256sum </payload)" >/dev/kmsg
/bin/busybox umount /dev
${stageOne.replace('#!/bin/sh\n', '')}`
