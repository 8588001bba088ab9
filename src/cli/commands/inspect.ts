import { type FileSignatures, type InspectedFile, inspectFile, inspectSignatures } from '../../image/index.ts'
import type { ImageSignature } from '../../image/signature/index.ts'
import { formatBytes } from '../../plan/text.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { print, printJson, table } from '../output.ts'

export const command: Command = {
  name: 'inspect',
  summary: 'Tells what a kernel file is: format, architecture, version, limits, signature.',
  operands: 'FILE',
  arity: [1, 1],
  options: { json: jsonOption },
  examples: [
    ['linux-kexec inspect /boot/vmlinuz-6.1.0-56-amd64', 'an installed kernel'],
    ['linux-kexec inspect arch/x86/boot/bzImage --json', 'one just built, for a program'],
  ],
  notes: 'Any file is answered, named for what it is. No privilege is needed beyond reading it.',
  async run(args) {
    const path = args.positionals[0] as string
    const image = inspectFile(path)
    const signatures = await inspectSignatures(path)
    if (args.flag('json')) printJson({ ...image, signatures })
    else print(describe(image, signatures))
    return exit.done
  },
}

const verdicts: Record<FileSignatures['verdict'], string> = {
  unsigned: 'absent',
  intact: 'present, and true of every byte that it covers',
  unverified: 'present; not all of it could be checked',
  damaged: 'DAMAGED: these are not the bytes that were signed',
}

function signatureRows({ signer, hashAlgorithm, signingTime }: ImageSignature): [string, string | null][] {
  const validity = signer?.notBefore && signer.notAfter ? `${day(signer.notBefore)} to ${day(signer.notAfter)}` : null
  return [
    ['signed by', signer?.subject ?? null],
    ['issued by', signer?.issuer ?? null],
    ['valid', validity],
    ['signed at', signingTime],
    ['hash', hashAlgorithm],
  ]
}

function imaText({ kind, hashAlgorithm, keyId }: NonNullable<FileSignatures['ima']>): string {
  const by = keyId === null ? '' : ` by the key that ends in ${keyId} (not verified)`
  return `${kind}${hashAlgorithm === null ? '' : `, ${hashAlgorithm}`}${by}`
}

function day(time: string): string {
  return time.slice(0, 10)
}

function problemsOf({ problems, signatures, ima }: FileSignatures): string[] {
  return [
    ...problems,
    ...(ima?.problems ?? []),
    ...signatures.flatMap((signature) => [...signature.problems, ...signature.unchecked]),
  ]
}

function describe(image: InspectedFile, report: FileSignatures): string {
  const rows: [string, string | null][] = [
    ['file', image.path],
    ['is', image.description],
    ['architecture', image.architecture],
    ['version', image.version],
    ['built', image.versionString],
    ['size', formatBytes(image.size)],
    ['compression', image.compression],
    ['memory needed', image.memoryNeeded === null ? null : formatBytes(image.memoryNeeded)],
    ['command line', image.maxCommandLine === null ? null : `at most ${image.maxCommandLine} bytes`],
    ['relocatable', image.relocatable === null ? null : image.relocatable ? 'yes' : 'no'],
    ['signature', image.signature === 'unknown' && !report.present ? null : verdicts[report.verdict]],
    ...report.signatures.flatMap(signatureRows),
    ['IMA', report.ima === null ? null : imaText(report.ima)],
    ['kexec_file_load', image.bootable ? 'takes it' : 'does not take it'],
  ]
  const known = rows.filter((row): row is [string, string] => row[1] !== null)
  return table([...known, ...[...image.problems, ...problemsOf(report)].map((problem) => ['problem', problem])]).join(
    '\n',
  )
}
