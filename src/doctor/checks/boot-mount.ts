import type { Evidence } from '../../errors.ts'
import { FSTAB, readFstab } from '../../system/mounts/fstab.ts'
import { MOUNT_TABLE, mountsInside, readMountTable } from '../../system/mounts/mount-table.ts'
import type { System } from '../../system/system.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'

/** Where the boot partition and the EFI system partition are mounted: hier(7), systemd-gpt-auto-generator(8). */
const places = ['/boot', '/efi', '/boot/efi', '/boot/firmware']

/** Where systemd-gpt-auto-generator writes the units of partitions that it found by their type. */
const GENERATED = '/run/systemd/generator.late'

/** Whether the partitions with kernels and boot menus are mounted: files below an empty mount point are stale. */
export const bootMount: Subject<'boot-mount'> = {
  name: 'entries',
  ids: ['boot-mount'],
  needsMachine: false,
  examine: ({ system }: Examination) => [mountsOf(system)],
}

/** A place where something should be mounted, and the source that says so. */
interface Wanted {
  readonly place: string
  readonly evidence: Evidence
}

function mountsOf(system: System): Finding<'boot-mount'> {
  const id = 'boot-mount'
  const wanted = [...fromFstab(system), ...fromGenerator(system)]
  const evidence = wanted.map((each) => each.evidence)
  const mounted = mountPoints(system)
  const missing = wanted.filter(({ place }) => (mounted === undefined ? isEmpty(system, place) : !mounted.has(place)))
  if (missing.length > 0) {
    const names = [...new Set(missing.map(({ place }) => place))].join(' and ')
    const how = mounted === undefined ? 'empty' : 'not mounted'
    const summary = `${names} is configured, but ${how}: entries may be missing or stale.`
    const proof = mounted === undefined ? [] : [{ source: MOUNT_TABLE, value: `no ${names}` }]
    const remedy = system.isLive ? `mount ${missing[0]?.place}` : `mount it on ${system.root}${missing[0]?.place}`
    return { id, status: 'warning', summary, evidence: [...evidence, ...proof], remedy }
  }
  if (wanted.length === 0)
    return {
      id,
      status: 'ok',
      summary: 'No separate /boot or ESP is configured.',
      evidence: [{ source: FSTAB, value: 'names none' }],
    }
  const names = [...new Set(wanted.map(({ place }) => place))].join(', ')
  return {
    id,
    status: 'ok',
    summary: `${mounted === undefined ? 'Configured and not empty' : 'Mounted as configured'}: ${names}.`,
    evidence,
  }
}

function fromFstab(system: System): Wanted[] {
  return readFstab(system)
    .filter(({ mountPoint }) => places.includes(mountPoint))
    .map(({ mountPoint, line }) => ({ place: mountPoint, evidence: { source: FSTAB, value: line } }))
}

/** systemd.mount(5): the unit is named after its place. */
function fromGenerator(system: System): Wanted[] {
  return places.flatMap((place) => {
    const unit = `${GENERATED}/${place.slice(1).replaceAll('/', '-')}.mount`
    return system.exists(unit) ? [{ place, evidence: { source: unit, value: 'present' } }] : []
  })
}

/** An automount point counts, since looking into it mounts. Undefined without a running machine. */
function mountPoints(system: System): ReadonlySet<string> | undefined {
  const mounts = readMountTable(system)
  return mounts && new Set(mountsInside(mounts, system).map(({ mountPoint }) => mountPoint))
}

function isEmpty(system: System, place: string): boolean {
  return system.list(place).length === 0 && !system.denied.has(place)
}
