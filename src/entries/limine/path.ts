import { posix } from 'node:path'
import type { Volume } from '../paths/volumes.ts'
import type { Survey } from '../survey/survey.ts'

/** `boot():/vmlinuz`, before version 8 `boot:///vmlinuz`; `$` before it: compressed; `#` after it: a checksum. */
const resource = /^\$?([a-z]+)(?:\(([^)]*)\):|:\/\/([^/]*))(.*)$/is

interface Place {
  readonly path: string
  /** The unknown fact about it, a sentence. */
  readonly uncertainty?: string
}

/** The place of a Limine path in the system's tree. */
export function locate(uri: string, config: string, survey: Survey): Place {
  const [, kind = 'boot', inParentheses, inAddress, path = uri] = resource.exec(uri) ?? []
  const name = inParentheses ?? inAddress ?? ''
  const file = path.replace(/#[0-9a-f]*$/i, '')
  const volumes = volumesOf(kind.toLowerCase(), name, survey)
  const found = volumes.map((volume) => survey.volumes.locate(file, config, volume)).find(({ exists }) => exists)
  const place = (found ?? survey.volumes.locate(file, config, volumes[0])).path
  if (/^(?:tftp|odd)$/i.test(kind)) return { path: place, uncertainty: `Only Limine can reach ${uri}.` }
  const isOwn = /^boot$/i.test(kind) && name === ''
  // A partition that is none of the mounted file systems, where the configuration's own partition is known.
  if (volumes.length === 0 && /^(?:boot|hdd)$/i.test(kind) && /\d$/.test(name)) {
    const own = survey.volumes.volumeOf(config).partition
    if (own !== null) return { path: `(${kind}:${name})${posix.join('/', file)}` }
  }
  if (!isOwn && volumes.length === 0)
    return { path: place, uncertainty: `It depends on ${kind}(${name}), which this system does not know.` }
  const disk = /^hdd$/i.test(kind) ? /^\d{1,9}/.exec(name)?.[0] : undefined
  if (disk !== undefined && Number(disk) !== 1)
    return { path: place, uncertainty: `It depends on which disk is number ${disk} for the firmware.` }
  return { path: place }
}

function volumesOf(kind: string, name: string, survey: Survey): readonly Volume[] {
  const { volumes } = survey
  // Only the firmware knows the disk of a number; the partition's number is the same for all.
  if (kind === 'boot' || kind === 'hdd') {
    const partition = /(\d{1,4})$/.exec(name)?.[1]
    return partition === undefined ? [] : volumes.partitions(Number(partition))
  }
  const volume =
    kind === 'fslabel'
      ? volumes.find({ label: name })
      : (volumes.find({ uuid: name }) ?? volumes.find({ partuuid: name }))
  return volume === undefined ? [] : [volume]
}
