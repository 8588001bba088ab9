/**
 * Says what cannot be tested here because something from outside is missing: a network, a tool, a suite of the mirror. Its tests
 * are skipped on a developer's machine. With CI set it is an error: there, nobody reads what was skipped.
 */
export function untested(what: string): void {
  if (process.env['CI']) throw new Error(`not tested, which is a failure where CI is set: ${what}`)
  console.warn(`\n*** NOT TESTED: ${what} ***\n`)
}

/** The kernels of Debian's supported releases: the mirror has these, or it cannot be reached. Others come and go. */
const supported = ['6.1', '6.12']

/** The same for a kernel of this upstream series, which no suite of the mirror has. */
export function untestedKernel(series: string): void {
  const sentence = `no suite of the Debian mirror has a kernel ${series}`
  if (supported.includes(series)) untested(sentence)
  else console.warn(`\n*** NOT TESTED: ${sentence} ***\n`)
}
