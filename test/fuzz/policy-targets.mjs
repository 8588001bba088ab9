import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { applyImaRules, appraisesSignature, parseImaRules } from '../../modules/policy/ima/rules.js'
import { parseSignatureLists } from '../../modules/policy/keys/firmware-keys.js'
import { parseKeys } from '../../modules/policy/keys/keyrings.js'
import { settingsOf } from '../../modules/policy/limits/sysctl.js'
import { variableContent } from '../../modules/system/efi-variables.js'
import { Violations } from './sentence.mjs'

const captures = join(import.meta.dirname, '../fixtures/policy/captures')

/** A file of a machine that was captured. */
function captured(machine, path) {
  return execFileSync('tar', ['-xzOf', join(captures, machine, 'tree.tar.gz'), `.${path}`], { stdio: 'pipe' })
}

export const policyTargets = [
  {
    name: 'ima-rules',
    more: () => [
      'dont_appraise fsmagic=0x9fa0\nappraise func=KEXEC_KERNEL_CHECK appraise_type=imasig|modsig appraise_algos=sha256\n',
      'measure func=KEXEC_CMDLINE template=ima-buf\nappraise fowner=0 uid>1000 euid<5 mask=MAY_EXEC\nappraise func=KEXEC_INITRAMFS_CHECK appraise_type=sigv3 digest_type=verity permit_directio\n',
      'appraise fowner<10 fsmagic=01021994\nappraise func=FILE_CHECK mask=^MAY_READ subj_type=a\n',
    ],
    parser: 'policy/ima/rules',
    reaches: 'compare',
    read: readImaRules,
  },
  {
    name: 'keyrings',
    more: () => ['secure-boot-mok', 'ima-with-key', 'lockdown-integrity'].map((name) => captured(name, '/proc/keys')),
    parser: 'policy/keys/keyrings',
    reaches: 'readKey',
    read: readKeyrings,
  },
  {
    name: 'firmware-keys',
    more: firmwareKeys,
    parser: 'policy/keys/firmware-keys',
    reaches: 'keyIdOf',
    read: readFirmwareKeys,
  },
  {
    name: 'sysctl',
    path: '/etc/sysctl.d/a.conf',
    more: () => [
      'kernel.kexec_load_disabled = 1\n# text\n; text\n-kernel/kexec_load_disabled=0\n',
      'kernel.kexec_*=1\n-kernel.kexec_load_disabled\nkernel/kexec_load_limit_panic = -1\nnet.ipv4.conf.eth0/1.rp_filter=2\n',
      'kernel.[a-k]exec_load_disable?=1\nfs.protected_links = 1\n',
    ],
    words: ['kernel.kexec_load_disabled', 'kernel/kexec_load_disabled', 'kernel.', '*', '?', '[!a]', '[a-z]'],
    parser: 'policy/limits/sysctl',
    reaches: 'withSlashes',
    read: readSettings,
  },
]

const subjects = [null, 0, 1000].flatMap((owner) => [null, 0x9fa0].map((fileSystem) => ({ owner, fileSystem })))

function readImaRules(bytes) {
  const violations = new Violations()
  const text = bytes.toString('utf8')
  const rules = parseImaRules(text)
  for (const rule of rules) violations.check(text.includes(rule.text), 'a rule is not in the text')
  violations.check(typeof appraisesSignature(rules) === 'boolean', 'nobody knows whether a signature is asked for')
  for (const hook of ['KEXEC_KERNEL_CHECK', 'KEXEC_INITRAMFS_CHECK']) {
    for (const subject of subjects) {
      const { requirement, rule } = applyImaRules(rules, hook, subject)
      violations.check([null, 'none', 'hash', 'signature'].includes(requirement), `it asks for ${requirement}`)
      violations.check(rule !== null || requirement === 'none', `it asks for ${requirement} by no rule`)
    }
  }
  return violations.found
}

function readKeyrings(bytes) {
  const violations = new Violations()
  const { counts, keys, blacklist } = parseKeys(bytes.toString('utf8'))
  for (const count of Object.values(counts)) violations.check(count >= 0, `a keyring has ${count} keys`)
  for (const { keyId } of keys) violations.check(/^[0-9a-f]+$/.test(keyId), `a key has the id ${keyId}`)
  for (const entry of blacklist) violations.check(/^(?:tbs|bin):[0-9a-f]+$/.test(entry), `${entry} is revoked`)
  return violations.found
}

function firmwareKeys() {
  const variable = (name, guid) => captured('secure-boot-mok', `/sys/firmware/efi/efivars/${name}-${guid}`)
  const security = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
  return [
    variable('db', security),
    variable('dbx', security),
    variable('MokListRT', '605dab50-e046-4300-abb6-3dd810dd8b23'),
  ].map((bytes) => variableContent(bytes) ?? Buffer.alloc(0))
}

function readFirmwareKeys(bytes) {
  const violations = new Violations()
  const { keyIds, images, certificates } = parseSignatureLists(bytes)
  for (const id of keyIds) violations.check(/^[0-9a-f]*$/.test(id), `a key has the id ${id}`)
  const size = [...keyIds, ...images, ...certificates].reduce((sum, text) => sum + text.length, 0)
  violations.check(size <= 4 * bytes.length, `${bytes.length} bytes became ${size} characters`)
  return violations.found
}

function readSettings(_bytes, { system }) {
  const violations = new Violations()
  for (const name of [
    'kernel.kexec_load_disabled',
    'kernel.kexec_load_limit_panic',
    'net.ipv4.conf.eth0/1.rp_filter',
  ]) {
    for (const { line, value, text } of settingsOf(system, name)) {
      violations.check(line > 0 && text.includes(value), `line ${line} has no value ${JSON.stringify(value)}`)
    }
  }
  return violations.found
}
