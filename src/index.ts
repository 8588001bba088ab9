/** linux-kexec: boot a new Linux kernel from the running one, and know in advance whether it will work. */

import './api/speak-to-programs.ts'

// Finding: what a machine can boot.
export { type DiscoverOptions, discover, readBootMenu, selectEntry } from './api/boot-entries.ts'
// The command line of a kernel: read, changed and printed as the kernel takes it.
export {
  appendParameters,
  commandLineBytes,
  parseCommandLine,
  printCommandLine,
  type ReuseOptions,
  removeParameter,
  reuseCommandLine,
} from './api/command-line.ts'
// Linux's own names of errno.
export { errnoName, errnoNumber } from './api/errno.ts'
// Handing over: how the init system comes to start the loaded kernel, and doing it.
export {
  assessHandover,
  cancelReboot,
  execute,
  type HookOptions,
  installHandover,
  reboot,
  removeHandover,
} from './api/handover.ts'
// Inspecting: what a kernel image is, and whether it is whole.
export {
  type InspectOptions,
  type InspectSignaturesOptions,
  inspect,
  inspectFile,
  inspectSignatures,
} from './api/images.ts'
// What is loaded, and the memory reserved for a crash kernel.
export { type LoadedImagesOptions, loadedImages, planShrinking, shrinkReservation, status } from './api/loaded.ts'
export type { MachineOption } from './api/machine-option.ts'
// Planning and loading: `plan()` decides, its `load()` loads exactly what was planned.
export { plan, type UnloadOptions, unload } from './api/plan.ts'
// Policy: whether the running kernel would take a kernel, and whether a kexec would work here.
export { type DiagnoseOptions, detectPolicy, diagnose, type PredictOptions, predict } from './api/policy.ts'
// Services: what runs linux-kexec at boot and at shutdown.
export {
  type InstallServiceOptions,
  installServices,
  removeServices,
  type ServiceOptions,
  type ShowServicesOptions,
  showServices,
} from './api/services.ts'
// Types of what the functions take and return: plain data, but for LoadPlan and KexecError.
export type { CommandLine, KernelParameter } from './cmdline/parse.ts'
export type { CrashMemoryChange } from './crash-kernel/shrink.ts'
export type { Diagnosis } from './doctor/diagnosis.ts'
export type { DoctorCheck, DoctorCheckStatus } from './doctor/examination/check.ts'
export type { PlannedSegment } from './engine/layout/segments/segment.ts'
export type { BootLoader, BootMenu } from './entries/model/boot-menu.ts'
export type { BootEntry, BootSource } from './entries/model/entry.ts'
export type { BootProblem, BootProblemCode } from './entries/model/problem.ts'
export {
  type ErrorKind,
  type Evidence,
  KexecError,
  type KexecErrorDetails,
  type Reason,
  reasons,
} from './errors.ts'
export type { HandoverAssessment } from './handover/assess.ts'
export type { HandoverNote, HandoverObstacle, HandoverWarning } from './handover/contract/remarks.ts'
export type { ExecuteOptions } from './handover/jump/execute.ts'
export type { RebootHandover, RebootOptions } from './handover/reboot.ts'
export type { ScheduledReboot } from './handover/schedule/schedule.ts'
export type { HookChange, HookStanding, HookState } from './hooks/hook-plan.ts'
export type { InspectedEngine, InspectionVerdict } from './image/inspect/conclusion.ts'
export type { ImageInput } from './image/inspect/input.ts'
export type { InspectedPart, Inspection } from './image/inspect/inspection.ts'
export type { IntegrityCheck } from './image/inspect/integrity.ts'
export type { InspectedFile, OpenImage } from './image/inspect/open.ts'
export type { FileSignatures } from './image/inspect/signatures.ts'
export type { FormatName } from './image/model/format-name.ts'
export type {
  EfiStub,
  ImageConfiguration,
  ImageFact,
  ImageHeader,
  ImagePart,
  ImagePartChoice,
  KernelImage,
  SignaturePresence,
} from './image/model/image.ts'
export type { SetupHeader, SetupPayload } from './image/model/setup-header.ts'
export type {
  ImageSignature,
  ImageSigner,
  SignatureCertificate,
  SignatureReport,
  SignatureVerdict,
} from './image/signature/cms/report.ts'
export type { ImaAttribute } from './image/signature/ima.ts'
export type { InitrdOverlay } from './initrd/overlay.ts'
export type { PlannedInitrd } from './plan/context/initrds.ts'
export type { LoadPlan } from './plan/load-plan.ts'
export type { PreparationProgress, PrepareOptions } from './plan/loading/progress.ts'
export type { UncheckedCode, WarningCode } from './plan/model/codes.ts'
export type { PlanDecision } from './plan/model/decision.ts'
export type { PlanOptions } from './plan/model/options.ts'
export type { PlanWarning, UncheckedFact } from './plan/model/remark.ts'
export type { ImaState } from './policy/ima/state.ts'
export type { FirmwareKeys, SignatureLists } from './policy/keys/firmware-keys.ts'
export type { KernelKeyrings, TrustedKey } from './policy/keys/keyrings.ts'
export type { LoadObstacle } from './policy/obstacles.ts'
export type { CallPolicy, KexecPolicy, LoadLimits, PolicyMode } from './policy/policy.ts'
export type { ProcessConfinement } from './policy/process/confinement.ts'
export type { SignatureCheck } from './policy/signature-check.ts'
export type { LockdownState } from './policy/survey/lockdown.ts'
export type { PolicyReason, PolicySubject, UnreadFact } from './policy/survey/survey.ts'
export type { LoadVerdict } from './policy/verdict/predict.ts'
export type { ServiceStanding } from './services/install.ts'
export type { ServiceKind, ServiceName } from './services/service.ts'
export type { FileIdentity } from './state/file-identity.ts'
export type { ImageState, ImageWarning, LoadedImage, StaleFile } from './state/loaded-image.ts'
export type { ImageKind, LoadedBy, LoadOrigin, LoadRecord } from './state/record.ts'
export type { LoadStatus } from './system/kexec-state.ts'
