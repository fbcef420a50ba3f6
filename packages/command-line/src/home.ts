/** Where an installation keeps its files: `--home DIR`, else KEYHSM_HOME, else the program's installed default. */
import { join, resolve } from 'node:path'
import type { Home, Program } from './records.js'

/** The folders of a home in `root`; relative paths are taken from the working directory. */
export function homeIn(root: string): Home {
  const absolute = resolve(root)
  return {
    root: absolute,
    keyhsm: join(absolute, 'keyhsm'),
    keytrustee: join(absolute, 'keytrustee'),
    client: join(absolute, 'client'),
    'keytrustee-kms': join(absolute, 'keytrustee-kms'),
  }
}

/** The home of one call; `given` is what `--home` says. An empty KEYHSM_HOME counts as unset. */
export function findHome(
  program: Program,
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Home {
  const root = given ?? (env['KEYHSM_HOME'] || undefined)
  return root === undefined ? program.defaultHome(env) : homeIn(root)
}
