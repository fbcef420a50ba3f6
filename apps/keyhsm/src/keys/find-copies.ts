/**
 * Under which HSM keys a deposit that was sealed under one key was sealed besides, by reseals: whoever had the first form
 * may have kept the others aside. Key HSM's own audit names both keys of each reseal before its caller gets an answer.
 */
import { readAuditEntries } from '@keyhsm/service'

type Entry = ReturnType<typeof readAuditEntries> extends AsyncGenerator<infer Line> ? Line : never

/** Ids of all HSM keys under which those revisions were ever sealed that were ever sealed under a key that `isMeant`. */
export async function findCopies(
  directory: string,
  isMeant: (key: { readonly id: string; readonly label: string | undefined }) => boolean,
): Promise<ReadonlySet<string>> {
  const revisions = new Set<string>()
  for await (const entry of sealings(directory)) {
    const { formerHsmKeyId, hsmKeyId, hsmKeyLabel: label } = entry
    const former = formerHsmKeyId !== undefined && isMeant({ id: formerHsmKeyId, label: undefined })
    if (former || isMeant({ id: hsmKeyId, label })) revisions.add(entry.revision)
  }
  const ids = new Set<string>()
  for await (const { revision, formerHsmKeyId, hsmKeyId } of sealings(directory)) {
    if (!revisions.has(revision)) continue
    ids.add(hsmKeyId)
    if (formerHsmKeyId !== undefined) ids.add(formerHsmKeyId)
  }
  return ids
}

interface Sealing {
  /** Realm, deposit and number. */
  readonly revision: string
  readonly hsmKeyId: string
  readonly hsmKeyLabel: string | undefined
  readonly formerHsmKeyId: string | undefined
}

async function* sealings(directory: string): AsyncGenerator<Sealing> {
  for await (const entry of readAuditEntries(directory, 0)) {
    if (!isSealing(entry)) continue
    const { realm, deposit, revision, hsmKeyId, hsmKeyLabel, formerHsmKeyId } = entry.subject ?? {}
    if (hsmKeyId === undefined) continue
    yield {
      revision: [realm, deposit, revision].join(' '),
      hsmKeyId: String(hsmKeyId),
      hsmKeyLabel: hsmKeyLabel === undefined ? undefined : String(hsmKeyLabel),
      formerHsmKeyId: formerHsmKeyId === undefined ? undefined : String(formerHsmKeyId),
    }
  }
}

function isSealing({ event, operation, outcome }: Entry): boolean {
  return event === 'outcome' && outcome === 'done' && /^(re)?seal$/.test(operation)
}
