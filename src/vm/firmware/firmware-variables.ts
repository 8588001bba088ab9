/** Variables of UEFI firmware as edk2 keeps them in flash: MdeModulePkg/Include/Guid/VariableFormat.h. */

/** A variable to write into the firmware's flash before the machine starts. */
export interface FirmwareVariable {
  readonly name: string
  /** Vendor GUID in its usual form, lower case. */
  readonly guid: string
  /** 1 non-volatile, 2 boot services, 4 run time, 0x20 time-based authenticated (UEFI specification, 8.2). */
  readonly attributes: number
  readonly value: Buffer
}

/** A variable that the firmware has. */
export interface StoredVariable extends FirmwareVariable {
  /** Where its header begins in the flash, bytes. */
  readonly offset: number
}

/** '_FVH', and where a firmware volume keeps it and the length of its header (PI specification, volume 3). */
const VOLUME_MARK = 0x4856465f
const VOLUME_MARK_AT = 0x28
const VOLUME_HEADER_LENGTH_AT = 0x30

/** VARIABLE_STORE_HEADER: GUID, size, format, state. */
const STORE_HEADER = 28
const STORE_GUID = 'aaf32c78-947b-439a-a180-2e144ec37792'

/** AUTHENTICATED_VARIABLE_HEADER, its mark, and the states of one that counts and one that was deleted. */
const VARIABLE_HEADER = 60
const VARIABLE_MARK = 0x55aa
const ADDED = 0x3f
const DELETED = 0xfd

/** Boot services, run time and authentication: attributes that every variable of the key databases has. */
const KEY_DATABASE = 0x27

/** GUIDs of the UEFI specification (EFI_IMAGE_SECURITY_DATABASE_GUID, signature types), of shim, and of edk2. */
const SECURITY_DATABASE = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
const SHIM = '605dab50-e046-4300-abb6-3dd810dd8b23'
const SECURE_BOOT_ENABLE = 'f0a30bc7-af08-4556-99c4-001009c93a44'
const CERTIFICATE = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'
const SHA256 = 'c1c41626-504c-4092-aca9-41f936934328'

/** Owner of our additions to lists; any GUID does. */
const OWNER = '11111111-2222-3333-4444-123456789abc'

/**
 * Replaces variables in a copy of the flash, as the firmware itself does it: the old one is marked as deleted, the new one
 * is appended. What the firmware asks of a writer at run time (signatures of the key exchange key) is not asked of flash.
 * @throws RangeError for a flash without a variable store, or whose store is full
 */
export function writeVariables(flash: Buffer, variables: readonly FirmwareVariable[]): Buffer {
  const written = Buffer.from(flash)
  for (const variable of variables) writeVariable(written, variable)
  return written
}

/** The variables in the flash. @throws RangeError for a flash without a variable store */
export function readVariables(flash: Buffer): StoredVariable[] {
  const { start, end } = storeOf(flash)
  const found: StoredVariable[] = []
  for (let offset = start; markAt(flash, offset, end); ) {
    const nameSize = flash.readUInt32LE(offset + 36)
    const valueSize = flash.readUInt32LE(offset + 40)
    const nameAt = offset + VARIABLE_HEADER
    const valueAt = nameAt + nameSize
    if (valueAt + valueSize > end) throw new RangeError('a firmware variable goes beyond its store')
    if (flash[offset + 2] === ADDED) {
      found.push({
        name: flash.toString('utf16le', nameAt, valueAt).replace(/\0.*$/su, ''),
        guid: guidText(flash.subarray(offset + 44, offset + 60)),
        attributes: flash.readUInt32LE(offset + 4),
        value: Buffer.from(flash.subarray(valueAt, valueAt + valueSize)),
        offset,
      })
    }
    offset = align(valueAt + valueSize)
  }
  return found
}

function writeVariable(flash: Buffer, { name, guid, attributes, value }: FirmwareVariable): void {
  for (const old of readVariables(flash)) {
    if (old.name === name && old.guid === guid) flash[old.offset + 2] = ADDED & DELETED
  }
  const { start, end } = storeOf(flash)
  let offset = start
  while (markAt(flash, offset, end)) {
    offset = align(offset + VARIABLE_HEADER + flash.readUInt32LE(offset + 36) + flash.readUInt32LE(offset + 40))
  }
  const nameBytes = Buffer.from(`${name}\0`, 'utf16le')
  if (offset + VARIABLE_HEADER + nameBytes.length + value.length > end)
    throw new RangeError(`the firmware's flash has no room for ${name}`)
  const header = Buffer.alloc(VARIABLE_HEADER)
  header.writeUInt16LE(VARIABLE_MARK, 0)
  header[2] = ADDED
  header.writeUInt32LE(attributes, 4)
  header.writeUInt32LE(nameBytes.length, 36)
  header.writeUInt32LE(value.length, 40)
  guidBytes(guid).copy(header, 44)
  Buffer.concat([header, nameBytes, value]).copy(flash, offset)
}

function storeOf(flash: Buffer): { start: number; end: number } {
  if (flash.length < 0x100 || flash.readUInt32LE(VOLUME_MARK_AT) !== VOLUME_MARK)
    throw new RangeError('this is no flash of firmware variables')
  const store = flash.readUInt16LE(VOLUME_HEADER_LENGTH_AT)
  if (store + STORE_HEADER > flash.length || guidText(flash.subarray(store, store + 16)) !== STORE_GUID)
    throw new RangeError('the flash holds no store of authenticated variables')
  const end = Math.min(flash.length, store + flash.readUInt32LE(store + 16))
  return { start: store + STORE_HEADER, end }
}

function markAt(flash: Buffer, offset: number, end: number): boolean {
  return offset + VARIABLE_HEADER <= end && flash.readUInt16LE(offset) === VARIABLE_MARK
}

function align(offset: number): number {
  return (offset + 3) & ~3
}

/** The first three fields of a GUID are little-endian. */
function guidBytes(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes
}

function guidText(bytes: Buffer): string {
  const ordered = Buffer.from(bytes)
  ordered.subarray(0, 4).reverse()
  ordered.subarray(4, 6).reverse()
  ordered.subarray(6, 8).reverse()
  return ordered.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** A certificate as an EFI_SIGNATURE_LIST. @param der the X.509 certificate */
export function certificateList(der: Buffer): Buffer {
  return signatureList(CERTIFICATE, der)
}

/** A SHA-256 digest as an EFI_SIGNATURE_LIST: an image's Authenticode digest, in db or dbx. */
export function digestList(sha256: Buffer): Buffer {
  return signatureList(SHA256, sha256)
}

function signatureList(type: string, content: Buffer): Buffer {
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(28 + 16 + content.length, 0)
  sizes.writeUInt32LE(16 + content.length, 8)
  return Buffer.concat([guidBytes(type), sizes, guidBytes(OWNER), content])
}

/** shim's Machine Owner Keys: the variable that it keeps them in, out of the running system's reach. */
export function machineOwnerKeys(lists: readonly Buffer[]): FirmwareVariable {
  return { name: 'MokList', guid: SHIM, attributes: 3, value: Buffer.concat(lists) }
}

/**
 * shim's own switch: `mokutil --disable-validation` sets it, and then neither shim nor the kernel counts Secure Boot.
 */
export const validationDisabled: FirmwareVariable = {
  name: 'MokSBState',
  guid: SHIM,
  attributes: 3,
  value: Buffer.from([1]),
}

/** The change that the firmware's own setup makes when Secure Boot is switched off there. The keys stay. */
export const secureBootOff: FirmwareVariable = {
  name: 'SecureBootEnable',
  guid: SECURE_BOOT_ENABLE,
  attributes: 3,
  value: Buffer.from([0]),
}

/** The firmware's list of keys (db) or of forbidden hashes (dbx), with more at its end. */
export function extendedDatabase(flash: Buffer, name: 'db' | 'dbx', lists: readonly Buffer[]): FirmwareVariable {
  const before = readVariables(flash).find((each) => each.name === name && each.guid === SECURITY_DATABASE)
  const value = Buffer.concat([before?.value ?? Buffer.alloc(0), ...lists])
  return { name, guid: SECURITY_DATABASE, attributes: before?.attributes ?? KEY_DATABASE, value }
}
