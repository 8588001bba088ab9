/** One entry of an apt source file, in either of its two syntaxes (sources.list(5)). */
export interface AptSource {
  readonly uris: readonly string[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
  /**
   * Signed-By, Trusted, Check-Valid-Until and similar fields, by their deb822 names. A value may have several lines.
   */
  readonly options: ReadonlyMap<string, string>
}

/** Options about the files to fetch rather than their trust: the harness decides these itself. */
const droppedOptions = new Set(['architectures', 'languages', 'targets', 'pdiffs', 'by-hash'])

/** deb822 names of one-line options whose name differs by more than its case. */
const oneLineNames = new Map([
  ['arch', 'Architectures'],
  ['lang', 'Languages'],
  ['target', 'Targets'],
])

/** Reads a `.sources` file. Disabled stanzas, and stanzas without `Types: deb`, are left out. */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = []
  // Comment lines vanish before stanzas are separated, so a comment never ends one.
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith('#'))
  for (const stanza of lines.join('\n').split(/\n[ \t]*(?:\n[ \t]*)+/)) {
    const fields = new Map<string, { name: string; value: string }>()
    for (const [, name = '', value = ''] of stanza.matchAll(/^([^\s:]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
      fields.set(name.toLowerCase(), { name, value: value.trim() })
    }
    const words = (field: string) => (fields.get(field)?.value ?? '').split(/\s+/).filter((word) => word !== '')
    if (/^(no|false|off|0|disable)$/i.test(fields.get('enabled')?.value ?? '') || !words('types').includes('deb'))
      continue
    const options = new Map<string, string>()
    for (const [key, { name, value }] of fields) {
      if (['types', 'uris', 'suites', 'components', 'enabled'].includes(key) || droppedOptions.has(key)) continue
      options.set(name, value)
    }
    sources.push({ uris: words('uris'), suites: words('suites'), components: words('components'), options })
  }
  return sources
}

/** Reads a `.list` file. Source packages (deb-src) and lines that make no sense are left out. */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(.*)$/.exec(line.replace(/#.*$/, ''))
    const [uri, suite, ...components] = (match?.[2] ?? '').split(/\s+/).filter((word) => word !== '')
    if (uri === undefined || suite === undefined) continue
    const options = new Map<string, string>()
    for (const [, key = '', value = ''] of (match?.[1] ?? '').matchAll(/([\w-]+)[+-]?=(\S+)/g)) {
      const name = oneLineNames.get(key) ?? key.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
      if (!droppedOptions.has(name.toLowerCase())) options.set(name, value.replaceAll(',', ' '))
    }
    sources.push({ uris: [uri], suites: [suite], components, options })
  }
  return sources
}

/** Suite names that stand for a release beside its code name. */
const suiteAliases = ['stable', 'oldstable', 'oldoldstable', 'testing', 'unstable', 'sid', 'rc-buggy']

/**
 * The machine's own Debian release among all its sources: base suite, updates and security from a Debian mirror.
 * Third-party sources and backports are left out.
 * @param codename VERSION_CODENAME of /etc/os-release, such as 'bookworm'
 */
export function debianSources(sources: readonly AptSource[], codename: string): AptSource[] {
  const bases = [codename, ...suiteAliases]
  const ours = (suite: string) => bases.includes(suite.replace(/(-updates|-security|\/updates)$/, ''))
  return sources.flatMap((source) => {
    const suites = source.suites.filter(ours)
    const uris = source.uris.filter((uri) => isDebianMirror(uri, source))
    const plausible = suites.length > 0 && uris.length > 0 && source.components.includes('main')
    return plausible ? [{ ...source, suites, uris, components: ['main'] }] : []
  })
}

/**
 * Other suites of the same mirrors: security suites from where the machine's own come from, all others from where its base
 * suite does.
 * @param sources from `debianSources`
 */
export function otherSuites(sources: readonly AptSource[], suites: readonly string[]): AptSource[] {
  const isSecurity = (suite: string) => /(-security|\/updates)$/.test(suite)
  return [true, false].flatMap((security) => {
    const wanted = suites.filter((suite) => isSecurity(suite) === security)
    const source = sources.find((each) => each.suites.some((suite) => isSecurity(suite) === security))
    return source === undefined || wanted.length === 0 ? [] : [{ ...source, suites: wanted }]
  })
}

/**
 * Any host may mirror Debian; the directory's name, the host's, or the key identifies it. `mirror+file:` lists are
 * named likewise.
 */
function isDebianMirror(uri: string, source: AptSource): boolean {
  const signedBy = source.options.get('Signed-By') ?? ''
  return (
    /^[a-z+]+:\/\/([^/@]*@)?([a-z0-9-]+\.)*debian\.org[:/]/i.test(uri) ||
    /\/debian(-security)?(\.list)?\/?$/i.test(uri) ||
    /debian-archive-[\w-]*keyring|debian-archive-/.test(signedBy)
  )
}

/** Writes sources as deb822, so that keys written into a source (Signed-By over several lines) survive. */
export function printDeb822(sources: readonly AptSource[]): string {
  return sources
    .map(({ uris, suites, components, options }) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components.join(' ')}`,
        ...[...options].map(([name, value]) => `${name}:${value.startsWith('\n') ? '' : ' '}${value}`),
        '',
      ].join('\n'),
    )
    .join('\n')
}
