/** Orphan reports: made, signed with the server's MAC, kept as files, read back. */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidInput } from '@keyhsm/core'
import type { pruneReportRoute, ReplyOf } from '@keyhsm/protocol'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText } from '../files.js'
import { type Grants, macText, sameText } from '../grants.js'

export type PruneReport = ReplyOf<typeof pruneReportRoute>['report']
export type ReportedKey = PruneReport['keys'][number]

const fileName = /^prune-[0-9TZ-]+\.json$/

export function signReport(grants: Grants, report: Omit<PruneReport, 'mac'>): PruneReport {
  return { ...report, mac: macOf(grants, report) }
}

/** @throws ERR_INVALID_INPUT unless this server wrote the report for this realm. */
export function requireOwnReport(grants: Grants, report: PruneReport, realm: string): void {
  if (!sameText(report.mac, macOf(grants, report)))
    throw invalidInput('report', 'was not written by this server, or was changed since')
  if (report.realm !== realm) throw invalidInput('report', 'belongs to another realm')
}

/** The keys of a report that were first reported at least `minAgeMs` before it. */
export function destroyableKeys(report: PruneReport, minAgeMs: number): readonly ReportedKey[] {
  const latest = Date.parse(report.madeAt) - minAgeMs
  return report.keys.filter(({ firstReportedAt }) => Date.parse(firstReportedAt) <= latest)
}

/** Writes the report beside its predecessors and returns the file. */
export async function saveReport(directory: string, report: PruneReport): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, `prune-${report.madeAt.replaceAll(/[:.]/g, '-')}.json`)
  await writeFileAtomically(file, `${JSON.stringify(report, undefined, 2)}\n`, 0o600)
  return file
}

/** The newest saved report that this server wrote for this realm; undefined when there is none. */
export async function readLastReport(
  directory: string,
  grants: Grants,
  realm: string,
): Promise<PruneReport | undefined> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names
    .filter((text) => fileName.test(text))
    .sort()
    .reverse()) {
    const report = parseReport(await readOptionalText(join(directory, name)))
    if (report && report.realm === realm && sameText(report.mac, macOf(grants, report)))
      return report
  }
  return undefined
}

/** Undefined when the text is no report at all; whether it is ours says its MAC. */
function parseReport(text: string | undefined): PruneReport | undefined {
  try {
    const report = JSON.parse(text ?? '') as PruneReport
    return typeof report.mac === 'string' && Array.isArray(report.keys) ? report : undefined
  } catch {
    return undefined
  }
}

function macOf(grants: Grants, report: Omit<PruneReport, 'mac'>): string {
  const keys = report.keys.flatMap(({ id, label, firstReportedAt }) => [id, label, firstReportedAt])
  return macText(grants.mac('report', [report.format, report.realm, report.madeAt, ...keys]))
}
