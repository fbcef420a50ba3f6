import { createSecretKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { NaeDialect } from '../dialect/dialect.js'
import { Refusal } from './refusal.js'

const makePair = promisify(generateKeyPair)

/** What KeyGenRequest says of a key. */
export interface KeyShape {
  readonly algorithm: string
  readonly bits: number | undefined
  readonly curve: string | undefined
}

const pairs = new Map<string, Promise<KeyObject>>()
let turn = 0

/**
 * A private or secret key: fresh, except RSA pairs when no more than `rsaPairs` may be made of each size (tests make
 * hundreds, and each costs a third of a second).
 * @throws Refusal when there is no such kind
 */
export async function makeKey(
  { values }: NaeDialect,
  { algorithm, bits, curve }: KeyShape,
  rsaPairs: number,
): Promise<KeyObject> {
  if (algorithm === values.rsaKey && (bits === 2048 || bits === 3072)) {
    return await takePair(bits, rsaPairs)
  }
  if (algorithm === values.ecKey && curve === values.curveP256) {
    return (await makePair('ec', { namedCurve: 'prime256v1' })).privateKey
  }
  const isSecret = algorithm === values.aesKey || algorithm === values.hmacKey
  if (isSecret && bits === 256) return createSecretKey(randomBytes(32))
  throw new Refusal(bits === undefined ? 'size' : 'algorithm')
}

async function takePair(bits: number, most: number): Promise<KeyObject> {
  const make = async () => (await makePair('rsa', { modulusLength: bits })).privateKey
  if (most === Number.POSITIVE_INFINITY) return await make()
  turn += 1
  const slot = `${bits} ${turn % most}`
  const pair = pairs.get(slot) ?? make()
  pairs.set(slot, pair)
  return await pair
}
