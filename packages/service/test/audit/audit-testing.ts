/** Shared by the audit tests: a temporary directory, entries, a signer with a key of its own, ways to tamper. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import type { AuditEntry, AuditOptions } from '../../src/audit/audit.js'
import { ed25519AuditSigner, makeAuditKey } from '../../src/audit/checkpoint-keys.js'
import { openAudit } from '../../src/audit/open-audit.js'

/** A directory of its own for each test, removed afterwards. */
export function useDirectory(): { readonly path: string } {
  const holder = { path: '' }
  beforeEach(() => {
    holder.path = join(mkdtempSync(join(tmpdir(), 'audit-')), 'audit')
  })
  afterEach(() => rmSync(join(holder.path, '..'), { recursive: true, force: true }))
  return holder
}

export const signer = ed25519AuditSigner(makeAuditKey())

export function entry(n: number, more: Partial<AuditEntry> = {}): AuditEntry {
  return {
    event: 'note',
    operation: 'test',
    requestId: `request-${n}`,
    actor: 'tester',
    subject: { n },
    ...more,
  }
}

/** A closed log of `count` entries; by default with one checkpoint after the first and one at the end. */
export async function writeLog(
  directory: string,
  count: number,
  more: Partial<AuditOptions> = {},
): Promise<void> {
  const audit = await openAudit({ directory, service: 'test', signer, ...more })
  for (let n = 1; n <= count; n += 1) await audit.append(entry(n))
  await audit.close()
}

export function readLog(directory: string, file = 'audit.log'): string[] {
  return readFileSync(join(directory, file), 'utf8').split('\n').slice(0, -1)
}

export function writeLines(directory: string, lines: readonly string[], file = 'audit.log'): void {
  writeFileSync(join(directory, file), lines.map((line) => `${line}\n`).join(''))
}
