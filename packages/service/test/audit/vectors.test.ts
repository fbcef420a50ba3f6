/** A log of format 1 as it was first written: every later release verifies it, and so does a program that is not ours. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { readLog, signer, useDirectory, writeLines, writeLog } from './audit-testing.js'

const vectors = fileURLToPath(new URL('vectors/v1', import.meta.url))
const verifier = fileURLToPath(new URL('independent-verifier.py', import.meta.url))
const keyFile = join(vectors, 'checkpoint-key.pem')
const hasPython = spawnSync('python3', ['-c', 'import cryptography']).status === 0
const directory = useDirectory()

describe('format 1', () => {
  it('is read as it was written', async () => {
    const publicKey = readFileSync(keyFile, 'utf8')
    const report = await verifyAudit({ directory: vectors, publicKey, service: 'trustee' })
    expect(report).toMatchObject({
      ok: true,
      files: 3,
      entries: 7,
      checkpoints: 3,
      afterLastCheckpoint: 0,
      last: { hash: '150511d30c9df667c44bea91b70a52223da7eea9a46468810d833f4af1a202db' },
      anchors: { keyhsm: { sequence: 12, hash: 'ab'.repeat(32) } },
      unknownOutcomes: [{ requestId: '5b3f4a43-6e50-4b1c-a2cc-b6c1d9f0a103', actor: 'client-8' }],
    })
  })

  it.skipIf(!hasPython)(
    'is verified by a program written from the format page (needs python3-cryptography)',
    async () => {
      const verify = (path: string, key: string) =>
        execFileSync('python3', [verifier, path, key], { encoding: 'utf8', stdio: 'pipe' })
      expect(verify(vectors, keyFile)).toMatch(/^7 entries, 3 checkpoints, 150511d3/)
      await writeLog(directory.path, 50, { maxFileBytes: 4_000, checkpointEvery: 7 })
      const ownKey = join(directory.path, 'key.pem')
      writeLines(directory.path, signer.publicKey.trimEnd().split('\n'), 'key.pem')
      expect(verify(directory.path, ownKey)).toMatch(/^50 entries/)
      expect(() => verify(directory.path, keyFile)).toThrow(/InvalidSignature/)
      cpSync(join(vectors, 'audit.log'), join(directory.path, 'audit.log'))
      expect(() => verify(directory.path, ownKey)).toThrow()
      expect(readLog(directory.path)).toHaveLength(3)
    },
  )
})
