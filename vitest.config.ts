import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vitest/config'

export default defineConfig({
  plugins: [compiledSources()],
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'interop/test/**/*.test.ts',
      'bench/test/**/*.test.ts',
      'scripts/test/**/*.test.ts',
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 3,
    isolate: false,
    setupFiles: ['scripts/lib/leave-no-trace.mjs'],
    server: { deps: { external: [/\/(packages|apps)\/[^/]+\/dist\//] } },
  },
})

/**
 * Tests name modules below `src`; what runs is what `tsc -b` made of them, loaded by Node.js itself: the very files that are
 * shipped, once in a process, and a thousand modules less to transform. So build before testing.
 */
function compiledSources(): Plugin {
  return {
    name: 'compiled-sources',
    enforce: 'pre',
    resolveId(source, importer) {
      if (!importer || !source.startsWith('.')) return undefined
      const path = resolve(dirname(importer), source)
      const compiled = path.replace(/(\/(?:packages|apps)\/[^/]+\/)src\//, '$1dist/')
      return compiled !== path && existsSync(compiled) ? compiled : undefined
    },
  }
}
