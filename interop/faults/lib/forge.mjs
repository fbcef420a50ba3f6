/** Sealed bytes as somebody makes them who reads the database and the HSM's public keys, but has no HSM. */
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SecretBytes, withSecret } from '@keyhsm/core'
import { formatWrapBinding, parseSealed, sealContent } from '@keyhsm/envelope'
import { findWrapAlgorithm, parseWrapPublicKey, wrapInSoftware } from '@keyhsm/hsm'

/**
 * A deposit that is right in every field: the genuine header, the genuine context, a content key wrapped for the genuine
 * public key. `authSecret` is what the forger does not have.
 */
export async function forgeSealed(stack, { genuine, context, content, authSecret }) {
  const { header } = parseSealed(genuine)
  const publicKey = parseWrapPublicKey(header.hsmKeyId, readPublicKey(stack, header.hsmKeyId))
  return await withSecret(SecretBytes.random(32), async (contentKey) => {
    const binding = formatWrapBinding(header, context)
    const algorithm = findWrapAlgorithm(header.wrapAlgorithm)
    const wrapped = wrapInSoftware(publicKey, algorithm, contentKey, binding)
    return sealContent({
      header: { ...header, wrappedKey: wrapped.bytes },
      context,
      content,
      contentKey,
      authSecret: SecretBytes.own(authSecret ?? randomBytes(32)),
    })
  })
}

/** K_auth as only the HSM computes it: with its own tool and the PIN. */
export function readAuthSecret(stack, authKeyId) {
  const text = join(stack.home, 'auth-text')
  writeFileSync(text, 'keyhsm k-auth v1')
  chmodSync(text, 0o644)
  return tool(stack, `--sign --mechanism SHA256-HMAC --id ${authKeyId} -i ${text}`)
}

function readPublicKey(stack, id) {
  return tool(stack, `--read-object --type pubkey --id ${id}`)
}

function tool(stack, args) {
  const result = spawnSync('bash', ['-c', stack.pkcs11Tool(args)], {
    env: { ...process.env, ...stack.env },
    cwd: stack.home,
  })
  if (result.status !== 0) throw new Error(`pkcs11-tool: ${result.stderr}`)
  return result.stdout
}

export function readSealedHeader(bytes) {
  return parseSealed(bytes).header
}
