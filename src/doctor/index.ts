export type { Check, CheckStatus } from './check.ts'
export { type DiagnoseOptions, type Diagnosis, diagnose, NO_MACHINE, subjects } from './diagnosis.ts'
