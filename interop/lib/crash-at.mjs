/**
 * Loaded into a service with `node --import`: kills the process with SIGKILL at a named step of an operation, when the
 * file `<KEYHSM_CRASH_DIR>/armed` names that step. What was hit is appended to `<KEYHSM_CRASH_DIR>/hits`.
 */
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.env.KEYHSM_CRASH_DIR

if (folder) {
  subscribe('keyhsm:step', (step) => {
    if (armed() !== step) return
    rmSync(join(folder, 'armed'), { force: true })
    appendFileSync(join(folder, 'hits'), `${step}\n`)
    process.kill(process.pid, 'SIGKILL')
  })
}

function armed() {
  try {
    return readFileSync(join(folder, 'armed'), 'utf8')
  } catch {
    return undefined
  }
}
