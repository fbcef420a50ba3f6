import { DomainError, invalidInput, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { Installation } from '../store/installation.js'
import type { Trustee } from '../trustee.js'

type Node = Installation['nodes'][number]

/**
 * Takes a server that is lost out of the installation. Should it come back, it serves nothing; what it wrote to its audit, and
 * the heads of it that Key HSM recorded, stay as they are.
 * @throws ERR_CONFLICT with a private database; ERR_INVALID_INPUT for this server itself; ERR_NOT_FOUND;
 *   ERR_STORE_UNAVAILABLE naming the servers that take writes
 */
export async function removeNode(
  { store, audit }: Pick<Trustee, 'store' | 'audit'>,
  order: { readonly requestId: Uuid; readonly actor: string },
  node: Uuid,
): Promise<Node> {
  const seen = store.installation?.()
  if (!seen) throw new DomainError('ERR_CONFLICT', 'this server is the only one of its database')
  if (node === seen.own)
    throw invalidInput('NODE', 'is this server: have another one of the installation remove it')
  const found = seen.nodes.find((one) => one.node === node)
  if (!found) throw noSuchNode()
  const { name, url, serverFingerprint } = found
  const subjects = [{ node, name, url, serverFingerprint }]
  return await audited(
    audit,
    { ...order, operation: 'remove-node', subjects },
    'done',
    async () => {
      if (!(await store.forgetNode?.(node))) throw noSuchNode()
      return found
    },
  )
}

function noSuchNode(): DomainError {
  const hints = ['see: ktadmin nodes list']
  return new DomainError('ERR_NOT_FOUND', 'no server of the installation has this uuid', { hints })
}
