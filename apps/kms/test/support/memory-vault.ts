/** A vault in memory that passes the same contract as the one in use; several instances may share one. */
import { DomainError, type Handle } from '@keyhsm/core'
import type { Vault, VaultPut } from '../../src/zone-keys/vault.js'

interface Row {
  content: Buffer
  revision: number
  removed: boolean
  scope: string
}

export class MemoryVault implements Vault {
  readonly rows = new Map<string, Row>()
  /** Names of operations that arrived. */
  readonly asked: string[] = []
  /** Thrown by the next operations, one each. */
  readonly faults: Error[] = []
  /** Runs before the next write: somebody else is faster. */
  beforeWrite: (() => void | Promise<void>) | undefined
  /** Thrown after the next write was done: its answer is lost. */
  afterWrite: Error | undefined

  async list(prefix: string) {
    this.#arrived(`list ${prefix}`)
    const found = [...this.rows].filter(
      ([handle, { removed }]) => handle.startsWith(prefix) && !removed,
    )
    return found
      .map(([handle, { revision }]) => ({ handle, revision }))
      .sort((a, b) => (a.handle < b.handle ? -1 : 1))
  }

  async find(handle: Handle) {
    this.#arrived('find')
    const row = this.rows.get(handle)
    return row && !row.removed ? { handle, revision: row.revision } : undefined
  }

  async read(handle: Handle) {
    this.#arrived(`read ${handle}`)
    const row = this.rows.get(handle)
    if (!row) throw new DomainError('ERR_NOT_FOUND', 'there is no such deposit')
    if (row.removed) throw new DomainError('ERR_DISABLED', 'the deposit is removed')
    return { revision: row.revision, content: Buffer.from(row.content) }
  }

  async write(puts: readonly VaultPut[], removes: readonly Handle[] = []) {
    this.#arrived('write')
    const before = this.beforeWrite
    this.beforeWrite = undefined
    await before?.()
    for (const put of puts) this.#check(put)
    for (const handle of removes)
      if (!this.rows.has(handle)) throw new DomainError('ERR_NOT_FOUND', 'none')
    for (const { handle, content, scope } of puts) {
      const revision = (this.rows.get(handle)?.revision ?? 0) + 1
      this.rows.set(handle, { content: Buffer.from(content), revision, removed: false, scope })
      content.fill(0)
    }
    for (const handle of removes)
      this.rows.set(handle, { ...(this.rows.get(handle) as Row), removed: true })
    const lost = this.afterWrite
    this.afterWrite = undefined
    if (lost) throw lost
  }

  async purge(handle: Handle) {
    this.#arrived(`purge ${handle}`)
    this.rows.delete(handle)
    return { pending: false, shared: 0 }
  }

  #check({ handle, over }: VaultPut): void {
    const row = this.rows.get(handle)
    if (row?.removed) throw new DomainError('ERR_DISABLED', 'removed')
    if (over === 'absent' && row) throw new DomainError('ERR_ALREADY_EXISTS', 'taken')
    if (over !== 'absent' && row?.revision !== over)
      throw new DomainError('ERR_CONFLICT', 'changed')
  }

  #arrived(what: string): void {
    this.asked.push(what)
    const fault = this.faults.shift()
    if (fault) throw fault
  }
}
