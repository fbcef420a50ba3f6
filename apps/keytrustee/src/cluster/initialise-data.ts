import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DomainError } from '@keyhsm/core'
import { writeConfiguration } from './configuration.js'
import { cleanEnvironment } from './environment.js'

const initdbTimeoutMs = 120_000

export interface DataWish {
  /** Directory of `initdb`. */
  readonly binaries: string
  /** Superuser of the cluster: who runs it. */
  readonly owner: string
  /** Where it writes its log. */
  readonly log: string
}

/** Makes an empty, configured cluster in `data`, an empty directory. @throws ERR_SETTINGS with initdb's last words */
export async function initialiseData(
  data: string,
  { binaries, owner, log }: DataWish,
): Promise<void> {
  const options = [
    '--data-checksums',
    '--auth-local=peer',
    '--auth-host=reject',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
    `--username=${owner}`,
    `--pgdata=${data}`,
  ]
  const environment = { cwd: data, env: cleanEnvironment(), timeout: initdbTimeoutMs }
  await promisify(execFile)(join(binaries, 'initdb'), options, environment).catch(
    (error: unknown) => {
      throw new DomainError('ERR_SETTINGS', `initdb failed: ${lastLine(error)}`, { cause: error })
    },
  )
  await writeConfiguration(data, log, owner)
}

/** What a program said last, or how it ended. */
export function lastLine(error: unknown): string {
  const { stderr = '', code = '' } = error as { stderr?: string; code?: string | number }
  return stderr.trim().split('\n').at(-1) || `it ended with ${code}`
}
