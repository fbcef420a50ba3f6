/**
 * Whether the database's disk has room. A full one shows only when something is written: what a transaction met is
 * remembered, and as long as it is, each look writes something that needs room, and takes it back.
 */
import { randomBytes } from 'node:crypto'
import { hasCode, newUuid } from '@keyhsm/core'
import type pg from 'pg'
import { sqlState, translate } from './sqlstate.js'

/** disk_full. @see PostgreSQL 15 manual, Appendix A, class 53 */
const diskFull = '53100'
/** Random, so that it is not compressed; some pages, so that it does not fit into what is left of one. */
const triedBytes = 64 * 1024

const insert = {
  name: 'disk_room_try',
  text: `insert into requests (request_id, client, request_hash, reply, created_at)
    values ($1, $1, $2, $3, now())`,
}

export class DiskRoom {
  readonly #writers: pg.Pool
  #fault: string | undefined

  constructor(writers: pg.Pool) {
    this.#writers = writers
  }

  /** Takes note of what a transaction failed with. */
  notice(error: unknown): void {
    if (hasCode(error, 'ERR_STORE_UNAVAILABLE') && sqlState(error.cause) === diskFull)
      this.#fault = error.message
  }

  /** What is wrong now; undefined as long as no transaction met a full disk. Never throws. */
  async findFault(): Promise<string | undefined> {
    if (this.#fault === undefined) return undefined
    this.#fault = await this.#try().then(
      () => undefined,
      (error: unknown) => translate(error).message,
    )
    return this.#fault
  }

  async #try(): Promise<void> {
    const client = await this.#writers.connect()
    let over = false
    try {
      await client.query('begin')
      const reply = randomBytes(triedBytes).toString('base64')
      await client.query({ ...insert, values: [newUuid(), '0'.repeat(64), reply] })
    } finally {
      await client.query('rollback').then(
        () => {
          over = true
        },
        () => undefined,
      )
      client.release(!over)
    }
  }
}
