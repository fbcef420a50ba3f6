import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '@keyhsm/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuditHead } from '../../src/audit/audit.js'
import {
  checkpointKeyId,
  ed25519AuditSigner,
  makeAuditKey,
} from '../../src/audit/checkpoint-keys.js'
import { checkpointMessage, formatCheckpoint } from '../../src/audit/checkpoint-line.js'
import { genesisHash, sha256Hex } from '../../src/audit/lines.js'
import { openAudit } from '../../src/audit/open-audit.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, readLog, signer, useDirectory, writeLines, writeLog } from './audit-testing.js'

const directory = useDirectory()
const verify = (more = {}) =>
  verifyAudit({ directory: directory.path, publicKey: signer.publicKey, ...more })
const lines = () => readLog(directory.path)
const write = (changed: readonly string[]) => writeLines(directory.path, changed)
const indexOf = (n: number) => lines().findIndex((line) => line.startsWith(`{"sequence":${n},`))
const numberOf = (n: number) => indexOf(n) + 1
const isCheckpoint = (line: string) => line.includes('"type":"checkpoint"')

interface Fields {
  sequence: number
  hash: string
  previous: string
}

/** What an attacker without the signing key can do: change an entry and make the chain fit from there on. */
function rehash(changed: readonly string[]): string[] {
  let head: AuditHead = { sequence: 0, hash: genesisHash }
  return changed.map((line) => {
    if (!line.startsWith('{"sequence"')) return line
    const { hash: _, ...fields } = JSON.parse(line) as Fields
    const sequence = head.sequence + 1
    const body = JSON.stringify({ ...fields, sequence, previous: head.hash })
    head = { sequence, hash: sha256Hex(body) }
    return `${body.slice(0, -1)},"hash":"${head.hash}"}`
  })
}

/** … and with a signing key of his own. */
function resign(changed: readonly string[]): string[] {
  const own = ed25519AuditSigner(makeAuditKey())
  const { privateKey } = generateKeyPairSync('ed25519')
  let hash = genesisHash
  return changed.map((line) => {
    if (line.startsWith('{"sequence"')) hash = (JSON.parse(line) as Fields).hash
    if (!isCheckpoint(line)) return line
    const { signature: _, ...fields } = JSON.parse(line) as { signature: string }
    const body = JSON.stringify({ ...fields, head: hash, keyId: own.keyId })
    return formatCheckpoint(body, sign(null, checkpointMessage(body), privateKey)).trimEnd()
  })
}

beforeEach(() => writeLog(directory.path, 20, { checkpointEvery: 8 }))

describe('verifyAudit finds', () => {
  it('nothing in a good log', async () => {
    const report = await verify()
    expect(report).toMatchObject({
      ok: true,
      entries: 20,
      files: 1,
      signatures: 'verified',
      afterLastCheckpoint: 0,
      lastCheckpoint: { sequence: 20 },
      voided: 0,
      faultCount: 0,
    })
    expect(report.checkpoints).toBe(lines().filter(isCheckpoint).length)
  })

  it('the tail before a checkpoint cut', async () => {
    write(lines().filter((line) => !/^\{"sequence":(19|20),/.test(line)))
    const report = await verify()
    expect(report.faults).toEqual([
      {
        file: 'audit.log',
        line: lines().length,
        sequence: 20,
        what: 'cut: entry 20 was signed, the last is 18',
      },
    ])
    expect(report.afterLastCheckpoint).toBeGreaterThan(0)
  })

  it('the tail after the last checkpoint as a number, and as a fault when others saw more', async () => {
    const head = JSON.parse(lines()[indexOf(20)] ?? '') as Fields
    const cut = lines().slice(0, indexOf(12) + 1)
    write(cut)
    const report = await verify()
    expect(report.ok).toBe(true)
    expect(report.afterLastCheckpoint).toBe(12 - (report.lastCheckpoint?.sequence ?? 0))
    expect(report.afterLastCheckpoint).toBeGreaterThan(0)
    const seen = await verify({ expectAtLeast: { sequence: 20, hash: head.hash } })
    expect(seen.faults).toEqual([
      {
        file: 'audit.log',
        line: 0,
        sequence: 20,
        what: 'cut: entry 20 was seen by others, the last is 12',
      },
    ])
  })

  it('entries others saw that are not the same any more', async () => {
    const heads = [5, 9].map((n) => JSON.parse(lines()[indexOf(n)] ?? '') as Fields)
    expect((await verify({ expectAtLeast: heads })).ok).toBe(true)
    const wrong = { sequence: 9, hash: 'f'.repeat(64) }
    const report = await verify({ expectAtLeast: [...heads, wrong] })
    expect(report.faults).toMatchObject([{ line: numberOf(9), sequence: 9, what: /others saw/ }])
  })

  it('the middle missing', async () => {
    const place = numberOf(5)
    write(lines().filter((line) => !/^\{"sequence":[5-7],/.test(line)))
    const { faults } = await verify()
    expect(faults[0]).toEqual({
      file: 'audit.log',
      line: place,
      sequence: 5,
      what: 'missing: entries 5 to 7',
    })
  })

  it('entries reordered', async () => {
    const [a, b] = [indexOf(5), indexOf(6)]
    const changed = lines()
    ;[changed[a], changed[b]] = [changed[b] ?? '', changed[a] ?? '']
    write(changed)
    const { faults } = await verify()
    expect(faults).toMatchObject([
      { line: a + 1, sequence: 5, what: 'missing: entry 5' },
      { line: b + 1, sequence: 5, what: 'out of order' },
    ])
  })

  it('an entry changed', async () => {
    write(lines().map((line) => line.replace('"n":5}', '"n":50}')))
    const { faults } = await verify()
    expect(faults).toMatchObject([{ line: numberOf(5), sequence: 5, what: /^changed/ }])
  })

  it('a sequence twice', async () => {
    const changed = lines()
    changed.splice(indexOf(5), 0, changed[indexOf(5)] ?? '')
    write(changed)
    const { faults } = await verify()
    expect(faults).toMatchObject([
      { line: numberOf(5) + 1, sequence: 5, what: 'duplicate sequence' },
    ])
  })

  it('a rehashed chain, by the next checkpoint', async () => {
    write(rehash(lines().map((line) => line.replace('"n":15}', '"n":50}'))))
    const { faults, lastCheckpoint } = await verify()
    expect(faults[0]).toMatchObject({
      what: 'the entries before this checkpoint are not the signed ones',
    })
    expect(faults[0]?.sequence).toBeGreaterThanOrEqual(15)
    expect(lastCheckpoint?.sequence).toBeLessThan(15)
  })

  it('a rehashed chain whose checkpoints claim the new hashes', async () => {
    write(
      rehash(lines().map((line) => line.replace('"n":2}', '"n":50}'))).map((line, _, all) => {
        if (!isCheckpoint(line)) return line
        const { sequence } = JSON.parse(line) as Fields
        const head = all.find((other) => other.startsWith(`{"sequence":${sequence},`)) ?? ''
        const { hash } = JSON.parse(head) as Fields
        return line.replace(/"head":"[0-9a-f]{64}"/, `"head":"${hash}"`)
      }),
    )
    const { faults, afterLastCheckpoint } = await verify()
    expect(faults.some((fault) => /signature .* not by the given key/.test(fault.what))).toBe(true)
    expect(afterLastCheckpoint).toBeGreaterThan(10)
  })

  it('a log signed again with another key', async () => {
    write(resign(rehash(lines().map((line) => line.replace('"n":15}', '"n":50}')))))
    const report = await verify()
    expect(report.ok).toBe(false)
    expect(report.lastCheckpoint).toBeUndefined()
    expect(report.faults.at(-1)?.what).toMatch(/nothing proves these entries/)
    expect(report.faultCount).toBe(lines().filter(isCheckpoint).length + 1)
  })

  it('a log whose checkpoints were all taken out', async () => {
    write(rehash(lines().filter((line) => !isCheckpoint(line))))
    expect((await verify()).faults).toMatchObject([{ what: /nothing proves these entries/ }])
  })

  it('lines that are none', async () => {
    const long = `{"sequence":3,"reason":"${'x'.repeat(20_000)}"}`
    const odd = ['', 'garbage', '[]', '1', '{"type":"other"}', '{"sequence":-1}', long]
    const place = indexOf(5)
    write([...lines().slice(0, place), ...odd, lines()[0] ?? '', ...lines().slice(place)])
    const { faults } = await verify()
    expect(faults.map((fault) => fault.line)).toEqual(
      Array.from({ length: odd.length + 1 }, (_, i) => place + 1 + i),
    )
  })

  it('bytes that are no UTF-8', async () => {
    const bytes = Buffer.from(
      lines()
        .map((line) => `${line}\n`)
        .join(''),
    )
    bytes[bytes.indexOf('tester')] = 0xff
    writeFileSync(join(directory.path, 'audit.log'), bytes)
    expect((await verify()).faults[0]?.what).toBe('changed: no line of an audit')
  })

  it('the log of another service', async () => {
    expect((await verify({ service: 'other' })).ok).toBe(false)
    expect((await verify({ service: 'test' })).ok).toBe(true)
  })
})

describe('verifyAudit over several files', () => {
  beforeEach(async () => {
    await writeLog(directory.path, 40, { maxFileBytes: 2_500 })
  })
  const path = (n: number) => join(directory.path, `audit.00000${n}.log`)

  it('finds a missing file', async () => {
    rmSync(path(2))
    const { faults } = await verify()
    expect(faults[0]).toEqual({
      file: 'audit.000002.log',
      line: 0,
      what: 'missing file, before audit.000003.log',
    })
    expect(faults[1]).toMatchObject({
      file: 'audit.000003.log',
      line: 1,
      what: /^missing: entries/,
    })
  })

  it('finds the first files and the last one missing', async () => {
    const { files } = await verify()
    rmSync(path(1))
    rmSync(path(2))
    renameSync(join(directory.path, 'audit.log'), join(directory.path, 'away'))
    const { faults } = await verify()
    expect(faults[0]?.what).toBe('missing file to audit.000002.log, before audit.000003.log')
    expect(faults[1]).toEqual({ file: 'audit.log', line: 0, what: 'missing file' })
    expect(files).toBeGreaterThan(4)
  })

  it('finds files exchanged', async () => {
    renameSync(path(2), path(9))
    renameSync(path(3), path(2))
    renameSync(path(9), path(3))
    const { faults } = await verify()
    expect(faults[0]).toMatchObject({
      file: 'audit.000002.log',
      line: 1,
      what: 'this is file 3, not file 2',
    })
  })

  it('finds a closed file cut, though the next one begins where it ended', async () => {
    const cut = readLog(directory.path, 'audit.000002.log').slice(0, -2)
    writeLines(directory.path, cut, 'audit.000002.log')
    const { faults } = await verify()
    expect(faults[0]).toMatchObject({ file: 'audit.000003.log', line: 1, what: /^missing: entr/ })
  })
})

describe('verifyAudit', () => {
  it('reads a log while it is written and rotated', async () => {
    const audit = await openAudit({
      directory: directory.path,
      service: 'test',
      maxFileBytes: 3_000,
    })
    let written = 0
    let verified = 0
    const write = async (): Promise<void> => {
      await audit.append(entry(written))
      written += 1
      if (written < 60 || verified < 30) await write()
    }
    const check = async (): Promise<void> => {
      expect((await verify()).faults).toEqual([])
      verified += 1
      if (written < 60 || verified < 30) await check()
    }
    await Promise.all([write(), check()])
    await audit.close()
    expect((await verify()).files).toBeGreaterThan(3)
  })

  it('accepts ECDSA P-256 signatures and several keys', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const ec = {
      keyId: checkpointKeyId(publicKey),
      publicKey: pem,
      sign: (message: Buffer) =>
        Promise.resolve(sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
    }
    await writeLog(directory.path, 3, { signer: ec })
    expect((await verify()).ok).toBe(false)
    expect((await verify({ publicKey: signer.publicKey + pem })).ok).toBe(true)
  })

  it('says when signatures were not checked', async () => {
    expect(await verifyAudit({ directory: directory.path })).toMatchObject({
      ok: true,
      signatures: 'not-checked',
    })
  })

  it('names intents without an outcome', async () => {
    const audit = await openAudit({ directory: directory.path, service: 'test', signer })
    for (const [n, event] of [
      [1, 'intent'],
      [2, 'intent'],
      [2, 'intent'],
      [1, 'outcome'],
      [2, 'outcome'],
    ] as const) {
      await audit.append(entry(n, { event, ...(event === 'outcome' ? { outcome: 'done' } : {}) }))
    }
    await audit.close()
    const report = await verify()
    expect(report.unknownOutcomeCount).toBe(1)
    expect(report.unknownOutcomes).toEqual([
      {
        file: 'audit.log',
        line: numberOf(23),
        sequence: 23,
        operation: 'test',
        requestId: 'request-2',
        actor: 'tester',
      },
    ])
  })

  it('refuses a directory that is not there and a key that is none', async () => {
    await expect(verifyAudit({ directory: '/nonexistent/audit' })).rejects.toSatisfy((e) =>
      hasCode(e, 'ERR_NOT_FOUND'),
    )
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const rsa = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    for (const bad of ['', 'x', rsa]) {
      await expect(verify({ publicKey: bad })).rejects.toSatisfy((e) =>
        hasCode(e, 'ERR_INVALID_INPUT'),
      )
    }
  })

  it('reports an empty directory', async () => {
    const empty = join(directory.path, 'empty')
    mkdirSync(empty)
    expect((await verify({ directory: empty })).faults).toMatchObject([{ what: 'missing file' }])
  })
})
