#!/usr/bin/env node
/** A deposit and its retrieval with the SDK. Needs a registered client: `keytrustee register`. Run: npm run example */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectTrustee } from '@keyhsm/client'

const home = process.env.KEYHSM_HOME ?? join(homedir(), '.keytrustee')
const client = await connectTrustee(join(home, 'client'))
const policy = { expiresAt: new Date(Date.now() + 3600_000).toISOString() }
const { handle, revision } = await client.put('sdk-example', Buffer.from('a secret'), { policy })
const content = await client.get(handle)
process.stdout.write(`${handle}, revision ${revision}: ${content.toString()}\n`)
await client.close()
