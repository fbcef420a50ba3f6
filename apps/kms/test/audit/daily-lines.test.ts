/** The rule of docs/operations/kms.md that makes a file a day, run by the real logrotate. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatheredLines, RollingFile } from '@keyhsm/service'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

const manual = join(import.meta.dirname, '../../../../docs/operations/kms.md')

let home: string
let logs: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'daily-'))
  // It takes no rules below a folder that others may write to.
  chmodSync(home, 0o755)
  logs = join(home, 'log')
  mkdirSync(logs)
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(home, { recursive: true })
})

/** As it stands in the manual, over our folder and as this user. */
function readRule(): string {
  const [rule = ''] =
    /^ {4}\/var\/log\/keytrustee-kms\/\*\.log \{\n(?: {4}.*\n)+/m.exec(
      readFileSync(manual, 'utf8'),
    ) ?? []
  return rule.replace('/var/log/keytrustee-kms', logs).replace(/^ *su .*\n/m, '')
}

/** Of the day before, as logrotate and the original name it. */
function yesterday(): string {
  const at = new Date()
  at.setDate(at.getDate() - 1)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

it('a day’s lines are in a file of its name, and none is lost', ({ skip }) => {
  if (spawnSync('logrotate', ['--version']).error) skip('logrotate is not installed')
  const [path, rules] = [join(logs, 'kms-audit.log'), join(home, 'rules')]
  writeFileSync(rules, readRule(), { mode: 0o644 })
  const now = vi.spyOn(performance, 'now')
  const lines = new GatheredLines(new RollingFile({ path, describeLoss: String }))
  lines.write('one\n')
  lines.flush()
  const day = yesterday()
  execFileSync('logrotate', ['--force', '--state', join(home, 'state'), rules])
  now.mockReturnValue(performance.now() + 1_500)
  lines.write('two\n')
  lines.close()
  expect(readdirSync(logs).sort()).toEqual(['kms-audit.log', `kms-audit.log.${day}`])
  expect(readFileSync(`${path}.${day}`, 'utf8')).toBe('one\n')
  expect(readFileSync(path, 'utf8')).toBe('two\n')
})
