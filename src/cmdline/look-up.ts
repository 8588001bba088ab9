import { type CommandLine, type KernelParameter, parseCommandLine, sameKey } from './parse.ts'

/**
 * The parameters of one name, in order, as the kernel would find them: `-` and `_` are equal in the name, quotes around a
 * parameter or its value do not count, and words after `--` belong to init.
 */
export function parametersNamed(
  commandLine: CommandLine | string | undefined,
  name: string,
): readonly KernelParameter[] {
  const { parameters } = typeof commandLine === 'object' ? commandLine : parseCommandLine(commandLine ?? '')
  return parameters.filter(({ key }) => sameKey(key, name))
}

/** The last parameter of one name, which usually counts; undefined when there is none. */
export function lastParameter(
  commandLine: CommandLine | string | undefined,
  name: string,
): KernelParameter | undefined {
  return parametersNamed(commandLine, name).at(-1)
}

/** Whether a parameter is present, with this value if one is given. */
export function hasParameter(commandLine: CommandLine | string | undefined, name: string, value?: string): boolean {
  return parametersNamed(commandLine, name).some((each) => value === undefined || each.value === value)
}
