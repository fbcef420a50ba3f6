/** The tools of the machine, as an operator would run them. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs a program and returns what it printed. @throws when it fails */
export async function runTool(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(program, [...args], { env: { ...process.env, ...env } })
  return stdout
}
