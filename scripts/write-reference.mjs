#!/usr/bin/env node
/** Writes docs/reference from the built product: `npm run docs`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './lib/reference.mjs'
import { root } from './lib/sources.mjs'

mkdirSync(join(root, 'docs/reference'), { recursive: true })
for (const [name, text] of Object.entries(referencePages())) {
  writeFileSync(join(root, 'docs/reference', name), text)
}
