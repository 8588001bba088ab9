export { type InspectSignaturesOptions, inspectSignatures } from './inspect.ts'
export type { ImageSignature, SignatureCertificate, SignatureReport, SignatureVerdict, Signer } from './report.ts'
