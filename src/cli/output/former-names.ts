import type { BootMenu } from '../../entries/model/boot-menu.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'

interface Named {
  readonly commandLine: string | null
  readonly deviceTree: string | null
}

/** Version 1 of the documents called the two `cmdline` and `devicetree`, and scripts read them. */
function withFormerNames<Thing extends Named>(thing: Thing) {
  return { ...thing, cmdline: thing.commandLine, devicetree: thing.deviceTree }
}

/** The boot menu as `list --json` prints it. */
export function menuDocument(menu: BootMenu) {
  return { ...menu, entries: menu.entries.map(withFormerNames) }
}

/** The plan as `plan --json` prints it, and `load --json` in its `plan`. */
export function planDocument(plan: LoadPlan) {
  return withFormerNames(plan.toJSON())
}
