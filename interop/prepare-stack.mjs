#!/usr/bin/env node
/**
 * Brings up the whole product once and keeps its home in FOLDER: checks that find that folder in KEYHSM_PREPARED_STACK
 * begin with a copy of it instead of bringing up their own. `npm test` does so; a check run by itself needs nothing.
 *
 *   node interop/prepare-stack.mjs FOLDER
 */
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { prepareHome } from './lib/prepared-home.mjs'
import { Stack } from './lib/stack.mjs'

await runMain(async () => {
  const folder = process.argv[2]
  if (folder === undefined) throw new Stop('usage: node interop/prepare-stack.mjs FOLDER', 2)
  const stack = await Stack.create()
  try {
    await stack.bringUp()
    await stack.stop()
    prepareHome(stack, folder)
    return 0
  } finally {
    await stack.remove()
  }
})
