export { type ImaAttribute, parseImaAttribute, readImaAttribute } from './ima.ts'
export { type InspectSignaturesOptions, inspectSignatures } from './inspect.ts'
export type { ImageSignature, SignatureCertificate, SignatureReport, SignatureVerdict, Signer } from './report.ts'
