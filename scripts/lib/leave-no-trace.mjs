/**
 * Test files share a process (vitest.config.ts), because starting one and loading the product again costs more than most
 * files. So each must leave the process as it found it; one that does not fails here, and not the file after it.
 */
import { afterAll, beforeAll, expect } from 'vitest'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']
let before

beforeAll(() => {
  before = look()
})

afterAll(() => {
  const after = look()
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (what) => before.get(what) !== after.get(what),
  )
  expect(changed, 'what the file changed in the process and left so').toEqual([])
})

/** Facts by name; the names alone are printed, because a variable may hold a secret. */
function look() {
  return new Map([
    ['working directory', process.cwd()],
    ['umask', process.umask()],
    ...signals.map((name) => [`listeners of ${name}`, process.listenerCount(name)]),
    ...Object.entries(process.env).map(([name, value]) => [`variable ${name}`, value]),
  ])
}
