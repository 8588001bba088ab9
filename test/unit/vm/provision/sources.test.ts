import { expect, test } from 'vitest'
import {
  debianSources,
  otherSuites,
  parseDeb822,
  parseOneLine,
  printDeb822,
} from '../../../../src/vm/provision/sources.ts'

// debian.sources of the debian:bookworm container image.
const container = `Types: deb
# http://snapshot.example.org/archive/debian/20250520T000000Z
URIs: http://deb.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
# http://snapshot.example.org/archive/debian-security/20250520T000000Z
URIs: http://deb.example.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`

// debian.sources of Debian's cloud images, with backports.
const cloud = `Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: bookworm bookworm-updates bookworm-backports
Components: main

Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian-security.list
Suites: bookworm-security
Components: main
`

// sources.list as the Debian installer writes it, with what people add.
const installer = `#deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST]/ bookworm contrib main

deb http://ftp.example.org/debian/ bookworm main non-free-firmware
deb-src http://ftp.example.org/debian/ bookworm main non-free-firmware

deb http://security.example.org/debian-security bookworm-security main non-free-firmware
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/pgdg.asc] https://apt.postgresql.org/pub/repos/apt bookworm-pgdg main # database
`

test('both stanzas of the container image are Debian', () => {
  const sources = debianSources(parseDeb822(container), 'bookworm')
  expect(sources.map(({ suites }) => suites)).toEqual([['bookworm', 'bookworm-updates'], ['bookworm-security']])
  expect(sources[0]?.options.get('Signed-By')).toBe('/usr/share/keyrings/debian-archive-keyring.gpg')
})

test('backports are left out, mirror lists are known by name', () => {
  const sources = debianSources(parseDeb822(cloud), 'bookworm')
  expect(sources.map(({ suites }) => suites)).toEqual([['bookworm', 'bookworm-updates'], ['bookworm-security']])
})

test('one-line sources: third parties are left out even when they name the same suite', () => {
  const sources = debianSources(parseOneLine(installer), 'bookworm')
  expect(sources.map(({ uris }) => uris[0])).toEqual([
    'http://ftp.example.org/debian/',
    'http://security.example.org/debian-security',
  ])
})

test('one-line options keep what says whom to trust', () => {
  const [source] = parseOneLine('deb [arch=amd64,arm64 signed-by=/a.gpg,/b.gpg trusted=yes] http://x/debian sid main')
  expect([...(source?.options ?? [])]).toEqual([
    ['Signed-By', '/a.gpg /b.gpg'],
    ['Trusted', 'yes'],
  ])
})

test('a disabled stanza is no source', () => {
  expect(parseDeb822(`Enabled: no\n${container}`)).toHaveLength(1)
})

test('a key written into the source survives the way through', () => {
  const key = 'Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGP\n -----END PGP PUBLIC KEY BLOCK-----'
  const text = `Types: deb\nURIs: http://deb.example.org/debian\nSuites: bookworm\nComponents: main\n${key}\n`
  const sources = parseDeb822(text)
  expect(printDeb822(sources)).toContain(' mQINBGP\n')
  expect(parseDeb822(printDeb822(sources))).toEqual(sources)
})

test('other suites come from the same mirrors, security from where security comes from', () => {
  const own = debianSources(parseDeb822(container), 'bookworm')
  expect(otherSuites(own, ['trixie', 'bullseye-security', 'trixie-backports'])).toMatchObject([
    { uris: ['http://deb.example.org/debian-security'], suites: ['bullseye-security'], options: own[0]?.options },
    { uris: ['http://deb.example.org/debian'], suites: ['trixie', 'trixie-backports'], options: own[0]?.options },
  ])
})

test('a machine without a security source has no security suites', () => {
  const [base] = debianSources(parseDeb822(container), 'bookworm')
  expect(otherSuites(base === undefined ? [] : [base], ['bullseye-security'])).toEqual([])
})
