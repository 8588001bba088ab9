/** linux-kexec: boot a new Linux kernel from the running one, and know in advance whether it will work. */

import './api/speak-to-programs.ts'

// Finding.
// discover: everything a machine can boot. readBootMenu: the same, with its boot loaders and their problems.
// selectEntry: the entry that a word means, such as 'newest', a title or a version.
export { type DiscoverOptions, discover, readBootMenu, selectEntry } from './api/boot-entries.ts'
// The command line of a kernel, as the kernel reads it.
// parseCommandLine, printCommandLine: text to parameters, and back. commandLineBytes: its length for the kernel's limit.
// appendParameters, removeParameter: a changed copy. reuseCommandLine: the running one, without what belongs to its boot.
export {
  appendParameters,
  commandLineBytes,
  parseCommandLine,
  printCommandLine,
  type ReuseOptions,
  removeParameter,
  reuseCommandLine,
} from './api/command-line.ts'
// errnoName, errnoNumber: Linux's own names of errno, which Node's table lacks in part.
export { errnoName, errnoNumber } from './api/errno.ts'
// Handing over.
// reboot: stops the services through the init system and starts the loaded kernel, now or later. cancelReboot: calls that off.
// execute: starts the loaded kernel at once. assessHandover: which way reboot would take, and whether it is verified.
// installHandover, removeHandover: the hook that some init systems need.
export {
  assessHandover,
  cancelReboot,
  execute,
  type HookOptions,
  installHandover,
  reboot,
  removeHandover,
} from './api/handover.ts'
// Inspecting.
// inspect: everything about a kernel image, down to its hashes. inspectFile: what a file is, from its head alone.
// inspectSignatures: who signed it, and whether that is true of its bytes.
export {
  type InspectOptions,
  type InspectSignaturesOptions,
  inspect,
  inspectFile,
  inspectSignatures,
} from './api/images.ts'
// Trials: a kexec that is confirmed or taken back.
// lastKexec: the kexec that started the running kernel, and those before it.
export { lastKexec } from './api/last.ts'
// What is loaded.
// status: whether a kernel and a crash kernel are. loadedImages: by whom, from which files, and whether these changed since.
// planShrinking, shrinkReservation: what giving back memory of the crash kernel would do, and doing it.
export { type LoadedImagesOptions, loadedImages, planShrinking, shrinkReservation, status } from './api/loaded.ts'
export type { MachineOption } from './api/machine.ts'
// matrix: rehearses every pair of many kernels. matrixReport, matrixJunit: its result as a page, and for build servers.
export { matrix, matrixJunit, matrixReport } from './api/matrix.ts'
// Planning and loading.
// plan: decides what would be loaded, with the reasons; its `load()` loads exactly that. unload: removes what is loaded.
export { plan, type UnloadOptions, unload } from './api/plan.ts'
// Policy.
// detectPolicy: everything that decides whether the running kernel takes another. predict: whether it takes this one.
// diagnose: every precondition of a kexec, with the remedies.
export { type DiagnoseOptions, detectPolicy, diagnose, type PredictOptions, predict } from './api/policy.ts'
// Services that load a kernel at boot or at shutdown.
// installServices, removeServices: place them and take them away. showServices: their state.
// rehearse: carries a plan out in QEMU, and says whether the new kernel comes up.
export { rehearse } from './api/rehearsal.ts'
export {
  type InstallServiceOptions,
  installServices,
  removeServices,
  type ServiceOptions,
  type ShowServicesOptions,
  showServices,
} from './api/services.ts'
// trialStatus: how the last one stands. confirmTrial: keeps the running kernel. cancelTrial: before its kernel is started.
export { type ConfirmOptions, cancelTrial, confirmTrial, type TrialConfirmation, trialStatus } from './api/trial.ts'
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
export type { MatrixOptions, MatrixStart } from './matrix/matrix.ts'
export type { MatrixCounts, MatrixOutcome, MatrixRecord, MatrixResult } from './matrix/model/cell.ts'
export type {
  MatrixDefinition,
  MatrixEngine,
  MatrixException,
  MatrixKernel,
  MatrixSettings,
  MatrixVariant,
} from './matrix/model/definition.ts'
export type { PlannedInitrd } from './plan/context/initrds.ts'
export type { LoadPlan, PlannedTrial } from './plan/load-plan.ts'
export type { PreparationProgress, PrepareOptions } from './plan/loading/progress.ts'
export type { UncheckedCode, WarningCode } from './plan/model/codes.ts'
export type { PlanDecision } from './plan/model/decision.ts'
export type { PlanOptions, TrialOptions } from './plan/model/options.ts'
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
export type { LoadingKernel } from './rehearsal/guest/loading-kernel.ts'
export type { ToolVersions } from './rehearsal/machine/own-machine.ts'
export type { RehearseOptions } from './rehearsal/model/options.ts'
export type {
  GuestError,
  GuestReport,
  Lockdown,
  ProcessorState,
  RehearsalOutcome,
  RehearsalPhase,
  RehearsalRecord,
} from './rehearsal/model/rehearsal.ts'
export type { Rehearsal } from './rehearsal/rehearse.ts'
export type { ServiceStanding } from './services/install.ts'
export type { ServiceKind, ServiceName } from './services/service.ts'
export type { FileIdentity } from './state/file-identity.ts'
export type { ImageState, ImageWarning, LoadedImage, StaleFile } from './state/loaded-image.ts'
export type { ImageKind, LoadedBy, LoadOrigin, LoadRecord } from './state/record.ts'
export type { LoadStatus } from './system/kexec-state.ts'
export type { TrialCoverage, TrialFailure } from './trial/coverage.ts'
export type { MadeDefault } from './trial/default/make-default.ts'
export type { Duration, KexecDurations } from './trial/last/durations.ts'
export type { KhoMetadata } from './trial/last/kho.ts'
export type { LastKexec, PastKexec } from './trial/last/last.ts'
export type { KernelStart } from './trial/last/start.ts'
export type { LastLines } from './trial/last-lines.ts'
export type { LoaderChange, LoaderSetting } from './trial/model/loader-change.ts'
export type {
  Rollback,
  TrialGuards,
  TrialRecord,
  TrialState,
  TrialTarget,
  TriedEntry,
  WatchdogGuard,
} from './trial/model/trial.ts'
export type { TrialProgress, TrialStage } from './trial/progress.ts'
export type { TrialDifference } from './trial/record/differences.ts'
export type { TrialOutcome, TrialStatus } from './trial/status.ts'
