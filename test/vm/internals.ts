import { build } from 'esbuild'

/** Where a guest's programs import what the package does not export. */
export const INTERNALS = '/usr/lib/node_modules/linux-kexec/dist/internals.js'

/**
 * A file for a guest, with functions of linux-kexec that its package keeps to itself: a test asks the kernel what linux-kexec
 * would not ask.
 * @param exported names by the module of src/ that has them: `{ 'native.ts': 'native' }`
 */
export async function internals(exported: Readonly<Record<string, string>>) {
  const contents = Object.entries(exported).map(([module, names]) => `export { ${names} } from './src/${module}'\n`)
  const { outputFiles } = await build({
    stdin: { contents: contents.join(''), resolveDir: process.cwd() },
    bundle: true,
    write: false,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  })
  return { path: INTERNALS, data: Buffer.from(outputFiles[0]?.contents ?? '') }
}
