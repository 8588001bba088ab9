// Boots the newest kernel when it is newer than the running one: what an updater does after it has installed a kernel.
// Run as root: node boot-newest.mjs [--dry-run]
import { discover, KexecError, plan, reboot } from 'linux-kexec'

const dryRun = process.argv.includes('--dry-run')
try {
  const newest = (await discover()).find((entry) => entry.isNewest)
  if (newest === undefined || newest.isRunning) {
    console.log('the newest kernel is running already')
    process.exit(0)
  }
  const p = await plan({ entry: newest.id, append: 'panic=10' })
  console.log(p.explain())
  await p.load()
  const { via } = await reboot({ dryRun, report: console.log })
  console.log(`${dryRun ? 'would hand' : 'handed'} over to ${via}`)
} catch (error) {
  if (!(error instanceof KexecError)) throw error
  console.error(`${error.reason}: ${error.message}`)
  if (error.hint !== undefined) console.error(error.hint)
  process.exit(1)
}
