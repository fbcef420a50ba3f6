/** The highest timeline seen, kept in the server's home: also after a restart, a primary left behind is not believed. */
import { DomainError } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText } from '../../../files.js'
import type { SeenTimeline } from './sighting.js'

/** Undefined before the first. @throws ERR_SETTINGS when the file cannot be believed */
export async function readSeenTimeline(file: string): Promise<SeenTimeline | undefined> {
  const text = await readOptionalText(file)
  if (text === undefined) return undefined
  const { system, timeline } = parse(text)
  if (typeof system === 'string' && /^\d{1,20}$/.test(system) && Number.isSafeInteger(timeline))
    return { system, timeline: timeline as number }
  throw new DomainError('ERR_SETTINGS', 'timeline.json is damaged', {
    hints: ['see which database is the primary, then name it: ktadmin db bootstrap --url URL'],
  })
}

/** Durable when it resolves. */
export async function writeSeenTimeline(file: string, seen: SeenTimeline): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify(seen)}\n`, 0o600)
}

function parse(text: string): { readonly system?: unknown; readonly timeline?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as object
  } catch {
    return {}
  }
}
