export type { CertificateReport } from './certificates.ts'
export { inspectSignatures, type SignatureReport } from './inspect-signatures.ts'
export type { ImageSignature } from './verify.ts'
