import { createSecretKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { NaeDialect } from '../dialect/dialect.js'
import { Refusal } from './refusal.js'

const makePair = promisify(generateKeyPair)

/** A fresh private or secret key. @throws Refusal when there is no such kind */
export async function makeKey(
  { values }: NaeDialect,
  algorithm: string,
  bits: number | undefined,
  curve: string | undefined,
): Promise<KeyObject> {
  if (algorithm === values.rsaKey && (bits === 2048 || bits === 3072)) {
    return (await makePair('rsa', { modulusLength: bits })).privateKey
  }
  if (algorithm === values.ecKey && curve === values.curveP256) {
    return (await makePair('ec', { namedCurve: 'prime256v1' })).privateKey
  }
  const isSecret = algorithm === values.aesKey || algorithm === values.hmacKey
  if (isSecret && bits === 256) return createSecretKey(randomBytes(32))
  throw new Refusal(bits === undefined ? 'size' : 'algorithm')
}
