/** linux-kexec: boot a new Linux kernel from the running one, and know beforehand whether it will work. */

export {
  appendParameters,
  type CommandLine,
  commandLineBytes,
  type Parameter,
  parseCommandLine,
  printCommandLine,
  removeParameter,
  reuseCommandLine,
} from './cmdline/index.ts'
export { planShrinking, type Shrinking, shrinkReservation } from './crash-kernel/shrink.ts'
export { type Check, type CheckStatus, type DiagnoseOptions, type Diagnosis, diagnose } from './doctor/index.ts'
export type { PlannedSegment } from './engine/segments/segment.ts'
export { type LoadStatus, status } from './engine/status.ts'
export { unload } from './engine/unload.ts'
export { type BootLoader, type BootMenu, type DiscoverOptions, discover, readBootMenu } from './entries/discover.ts'
export type { BootEntry, Source } from './entries/entry.ts'
export { selectEntry } from './entries/select.ts'
export {
  type Evidence,
  errnoName,
  errnoNumber,
  KexecError,
  type KexecErrorDetails,
  type Reason,
  reasons,
} from './errors.ts'
export { assessHandover, type HandoverAssessment } from './handover/assess.ts'
export type { ExecuteOptions } from './handover/execute.ts'
export { execute } from './handover/execute.ts'
export type { HookChange, HookStanding, HookState } from './handover/hook-plan.ts'
export { type HookOptions, installHandover, removeHandover } from './handover/install.ts'
export { cancelReboot, type Handover, type RebootOptions, reboot } from './handover/reboot.ts'
export type { ScheduledReboot } from './handover/schedule.ts'
export {
  type Configuration,
  type EfiStub,
  type FileSignatures,
  type ImageFact,
  type ImageHeader,
  type ImageInput,
  type ImagePart,
  type InspectedEngine,
  type InspectedFile,
  type InspectedPart,
  type Inspection,
  type InspectionVerdict,
  type InspectOptions,
  type IntegrityCheck,
  inspect,
  inspectFile,
  inspectSignatures,
  type KernelImage,
  type OpenImage,
  type PartChoice,
  type SetupHeader,
  type SetupPayload,
  type SignaturePresence,
} from './image/index.ts'
export type {
  ImaAttribute,
  ImageSignature,
  InspectSignaturesOptions,
  SignatureCertificate,
  SignatureReport,
  SignatureVerdict,
  Signer,
} from './image/signature/index.ts'
export type { Overlay } from './initrd/index.ts'
export type { Decision } from './plan/decision.ts'
export type { PlannedInitrd } from './plan/initrds.ts'
export type { PlanOptions } from './plan/options.ts'
export { type LoadPlan, plan } from './plan/plan.ts'
export type { PreparationProgress, PrepareOptions } from './plan/progress.ts'
export {
  type AppraisedFile,
  type CallPolicy,
  type Confinement,
  detectPolicy,
  type FirmwareKeys,
  type ImaState,
  type KexecPolicy,
  type Keyrings,
  type LoadLimits,
  type Lockdown,
  type Obstacle,
  type PolicyMode,
  type PolicyReason,
  type PolicySubject,
  type PredictOptions,
  predict,
  type SignatureCheck,
  type SignatureLists,
  type TrustedKey,
  type UnreadFact,
  type Verdict,
  type VerdictImage,
} from './policy/index.ts'
export {
  type InstallServiceOptions,
  installServices,
  removeServices,
  type ServiceOptions,
  type ServiceStanding,
  showServices,
} from './services/install.ts'
export type { ServiceKind, ServiceName } from './services/service.ts'
export {
  type FileIdentity,
  type ImageKind,
  type ImageState,
  type LoadedImage,
  type LoadedImagesOptions,
  type Loader,
  type LoadRecord,
  loadedImages,
  type Origin,
  type StaleFile,
} from './state/index.ts'
export { System } from './system/system.ts'
