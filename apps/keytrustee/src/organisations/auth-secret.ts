/**
 * Auth secrets of organisations: made here, shown once, kept as a scrypt hash in the PHC string form
 * `$scrypt$ln=15,r=8,p=1$<salt>$<hash>` (base64 without padding), so that later releases can raise the cost.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

interface Cost {
  readonly ln: number
  readonly r: number
  readonly p: number
}

/** 16 MiB and about 45 ms of a core a guess; made secrets have 128 random bits, chosen ones at least 12 characters. */
const cost: Cost = { ln: 14, r: 8, p: 1 }
const saltBytes = 16
const hashBytes = 32
const pattern =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/
/** Nobody's salt: unknown organisations cost the same work as known ones. */
const decoySalt = randomBytes(saltBytes)

/** 16 random bytes as base64, the form the old product's secrets had. */
export function makeAuthSecret(): string {
  return randomBytes(16).toString('base64')
}

export async function hashAuthSecret(secret: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const hash = await derive(secret, salt, cost)
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${plain(salt)}$${plain(hash)}`
}

/**
 * Whether `secret` is the hashed one. Without a hash, or with an unreadable one, the same work is done and the answer is
 * false.
 */
export async function verifyAuthSecret(
  secret: string,
  authHash: string | undefined,
): Promise<boolean> {
  const stored = authHash === undefined ? undefined : parseHash(authHash)
  const hash = await derive(secret, stored?.salt ?? decoySalt, stored?.cost ?? cost)
  return timingSafeEqual(hash, stored?.hash ?? randomBytes(hashBytes)) && stored !== undefined
}

function parseHash(text: string): { cost: Cost; salt: Buffer; hash: Buffer } | undefined {
  const [, ln, r, p, salt, hash] = pattern.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  return {
    cost: { ln: Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

function derive(secret: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  const N = 2 ** ln
  const maxmem = 256 * N * r
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, hashBytes, { N, r, p, maxmem }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

function plain(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
