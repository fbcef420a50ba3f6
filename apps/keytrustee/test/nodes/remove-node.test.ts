import { newUuid, type Uuid } from '@keyhsm/core'
import type { AuditEntry } from '@keyhsm/service'
import { describe, expect, it } from 'vitest'
import { removeNode } from '../../src/nodes/remove-node.js'
import type { Trustee } from '../../src/trustee.js'

const [own, lost] = [newUuid(), newUuid()]
const order = { requestId: newUuid(), actor: 'administrator kim' }
const row = {
  node: lost,
  name: 'ts2',
  url: 'https://ts2:11371',
  serverFingerprint: 'ab'.repeat(32),
}

function make(forgetNode: (node: Uuid) => Promise<boolean>, shared = true) {
  const entries: AuditEntry[] = []
  const audit = { append: (entry: AuditEntry) => Promise.resolve(entries.push(entry)) }
  const store = shared ? { installation: () => ({ own, nodes: [row] }), forgetNode } : {}
  return { entries, trustee: { store, audit } as unknown as Trustee }
}

describe('removeNode', () => {
  it('is audited with the name and certificate of what goes', async () => {
    const { trustee, entries } = make((node) => Promise.resolve(node === lost))
    expect(await removeNode(trustee, order, lost)).toMatchObject({ name: 'ts2' })
    expect(entries).toMatchObject([
      { event: 'intent', operation: 'remove-node', subject: { node: lost, name: 'ts2' } },
      { event: 'outcome', outcome: 'done', actor: 'administrator kim' },
    ])
  })

  it('refuses this server, one that is not there or out already, and a private database', async () => {
    const gone = make(() => Promise.resolve(false))
    await expect(removeNode(gone.trustee, order, own)).rejects.toThrow('is this server')
    await expect(removeNode(gone.trustee, order, newUuid())).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    expect(gone.entries).toEqual([])
    await expect(removeNode(gone.trustee, order, lost)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    expect(gone.entries.at(-1)).toMatchObject({ event: 'outcome' })
    const alone = make(() => Promise.resolve(true), false)
    await expect(removeNode(alone.trustee, order, lost)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    })
  })
})
