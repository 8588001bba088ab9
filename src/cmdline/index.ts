export { appendParameters, checkCommandLineText, removeParameter } from './edit.ts'
export { hasParameter, lastParameter, parametersNamed } from './look-up.ts'
export {
  type CommandLine,
  commandLineBytes,
  type Parameter,
  parseCommandLine,
  printCommandLine,
  sameKey,
} from './parse.ts'
export { markOf, reuseCommandLine, withoutBoot, withoutIdleMarks } from './reuse.ts'
