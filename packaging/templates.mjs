/** The files of `packaging/` with what differs between packages filled in. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/lib/sources.mjs'

/** `file` of the package's own folder, else of `common/`; `@NAME@` and its like replaced. @throws Error naming one without a value */
export function fillTemplate(one, file, more = {}) {
  const own = join(root, 'packaging', one.folder, file)
  const path = existsSync(own) ? own : join(root, 'packaging/common', file)
  const values = {
    NAME: one.name,
    SUMMARY: one.summary,
    PROGRAMS: one.programs.join(' '),
    UNIT: one.unit ?? '',
    ...empty,
    ...one.values,
    ...more,
  }
  return readFileSync(path, 'utf8').replaceAll(/@([A-Z]+)@/g, (_, name) => {
    if (included.includes(name)) return fillTemplate(one, name.toLowerCase())
    if (!Object.hasOwn(values, name)) throw new Error(`${path}: @${name}@ has no value`)
    return values[name]
  })
}

/** Of a package without a service. */
const empty = { SERVICE: '', USER: '', HOME: '', FILES: '', LOG: '', MADE: '' }
/** Files of `common/` that others contain. */
const included = ['FUNCTIONS', 'HARDENING']
