export { appendParameters, checkCommandLineText, removeParameter } from './edit.ts'
export {
  type CommandLine,
  commandLineBytes,
  type Parameter,
  parseCommandLine,
  printCommandLine,
  sameKey,
} from './parse.ts'
export { reuseCommandLine } from './reuse.ts'
