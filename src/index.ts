/** linux-kexec: boot a new Linux kernel from the running one, and know in advance whether it will work. */

export { appendParameters, removeParameter } from './cmdline/edit.ts'
export {
  type CommandLine,
  commandLineBytes,
  type Parameter,
  parseCommandLine,
  printCommandLine,
} from './cmdline/parse.ts'
export { reuseCommandLine } from './cmdline/reuse.ts'
export { planShrinking, type Shrinking, shrinkReservation } from './crash-kernel/shrink.ts'
export { type DiagnoseOptions, type Diagnosis, diagnose } from './doctor/diagnosis.ts'
export type { Check, CheckStatus } from './doctor/examination/check.ts'
export type { PlannedSegment } from './engine/layout/segments/segment.ts'
export { unload } from './engine/unload.ts'
export { type DiscoverOptions, discover, readBootMenu } from './entries/discover.ts'
export type { BootLoader, BootMenu } from './entries/model/boot-menu.ts'
export type { BootEntry, Source } from './entries/model/entry.ts'
export type { Problem, ProblemCode } from './entries/model/problem.ts'
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
export { type HookOptions, installHandover, removeHandover } from './handover/install.ts'
export type { ExecuteOptions } from './handover/jump/execute.ts'
export { execute } from './handover/jump/execute.ts'
export { cancelReboot, type Handover, type RebootOptions, reboot } from './handover/reboot.ts'
export type { ScheduledReboot } from './handover/schedule/schedule.ts'
export type { HookChange, HookStanding, HookState } from './hooks/hook-plan.ts'
export type { InspectedEngine, InspectionVerdict } from './image/inspect/conclusion.ts'
export {
  type InspectedPart,
  type Inspection,
  type InspectOptions,
  inspect,
} from './image/inspect/inspection.ts'
export type { IntegrityCheck } from './image/inspect/integrity.ts'
export type { ImageInput, OpenImage } from './image/inspect/open.ts'
export { type InspectedFile, inspectFile } from './image/inspect/open.ts'
export { type FileSignatures, inspectSignatures } from './image/inspect/signatures.ts'
export type {
  Configuration,
  EfiStub,
  ImageFact,
  ImageHeader,
  ImagePart,
  KernelImage,
  PartChoice,
  SignaturePresence,
} from './image/model/image.ts'
export type { SetupHeader, SetupPayload } from './image/model/setup-header.ts'
export type {
  ImageSignature,
  SignatureCertificate,
  SignatureReport,
  SignatureVerdict,
  Signer,
} from './image/signature/cms/report.ts'
export type { ImaAttribute } from './image/signature/ima.ts'
export type { InspectSignaturesOptions } from './image/signature/inspect.ts'
export type { Overlay } from './initrd/overlay.ts'
export type { PlannedInitrd } from './plan/context/initrds.ts'
export type { PreparationProgress, PrepareOptions } from './plan/loading/progress.ts'
export type { UncheckedCode, WarningCode } from './plan/model/codes.ts'
export type { Decision } from './plan/model/decision.ts'
export type { PlanOptions } from './plan/model/options.ts'
export type { Unchecked, Warning } from './plan/model/remark.ts'
export { type LoadPlan, plan } from './plan/plan.ts'
export { detectPolicy } from './policy/detect.ts'
export type { ImaState } from './policy/ima/state.ts'
export type { FirmwareKeys, SignatureLists } from './policy/keys/firmware-keys.ts'
export type { Keyrings, TrustedKey } from './policy/keys/keyrings.ts'
export type { Obstacle } from './policy/obstacles.ts'
export type { CallPolicy, KexecPolicy, LoadLimits, PolicyMode } from './policy/policy.ts'
export type { Confinement } from './policy/process/confinement.ts'
export type { SignatureCheck } from './policy/signature-check.ts'
export type { Lockdown } from './policy/survey/lockdown.ts'
export type { PolicyReason, PolicySubject, UnreadFact } from './policy/survey/survey.ts'
export type { AppraisedFile } from './policy/verdict/ima-verdict.ts'
export { type PredictOptions, predict, type Verdict, type VerdictImage } from './policy/verdict/predict.ts'
export {
  type InstallServiceOptions,
  installServices,
  removeServices,
  type ServiceOptions,
  type ServiceStanding,
  showServices,
} from './services/install.ts'
export type { ServiceKind, ServiceName } from './services/service.ts'
export type { FileIdentity } from './state/file-identity.ts'
export {
  type ImageState,
  type LoadedImage,
  type LoadedImagesOptions,
  loadedImages,
  type StaleFile,
} from './state/loaded-image.ts'
export type { ImageKind, Loader, LoadRecord, Origin } from './state/record.ts'
export { type LoadStatus, status } from './system/kexec-state.ts'
export { System } from './system/system.ts'
