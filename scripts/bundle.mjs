#!/usr/bin/env node
/**
 * Bundles the compiled programs into `build/`, so that a command loads a few files instead of hundreds. The tree in
 * `build/` mirrors the checkout: a module that looks for a neighbour by `import.meta.url` (a child process, package.json)
 * finds it at the mirrored place. The native addon stays outside.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './lib/sources.mjs'

const { build } = await import('esbuild')

/** Programs and the files that they start in processes and threads of their own. */
const entries = [
  'apps/keyhsm/dist/main.js',
  'apps/keytrustee/dist/main-ktadmin.js',
  'apps/keytrustee/dist/main-keytrustee-server.js',
  'apps/keytrustee/dist/main-keytrustee-orgtool.js',
  'apps/cli/dist/main.js',
  'apps/kms/dist/main.js',
  'packages/hsm-pkcs11/dist/host/host-main.js',
  'packages/hsm-pkcs11/dist/host/worker-main.js',
]

const target = join(root, 'build')
const fresh = join(root, 'build.new')

// Programs that run from it load parts of it late: a bundle that is up to date stays where it is.
if (isFresh()) process.exit(0)

rmSync(fresh, { recursive: true, force: true })
await build({
  entryPoints: entries.map((entry) => join(root, entry)),
  outbase: root,
  outdir: fresh,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // A CommonJS build gives a dynamic import no names.
  mainFields: ['module', 'main'],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  external: ['pkcs11js', 'pg-native'],
  // CommonJS packages inside an ES module ask for `require`.
  banner: {
    js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
  },
  plugins: [mirroredUrls(), metadataFirst(), connectionsOnly(), nodeOnly()],
  logLevel: 'warning',
})
copyManifests()
const former = join(root, 'build.old')
rmSync(former, { recursive: true, force: true })
if (existsSync(target)) renameSync(target, former)
renameSync(fresh, target)
rmSync(former, { recursive: true, force: true })

/** Newer than all it is made of. */
function isFresh() {
  const madeAt = madeWhen(join(target, 'package.json'))
  const stamps = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(root, group, name, 'dist', '.tsbuildinfo')),
  )
  const parts = [...stamps, join(root, 'package-lock.json'), fileURLToPath(import.meta.url)]
  return madeAt > 0 && parts.every((part) => madeWhen(part) < madeAt)
}

/** Milliseconds since 1970; 0 for what is not there. */
function madeWhen(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** `import.meta.url` of a module of ours becomes its mirrored place below `build/`, wherever the bundle put its code. */
function mirroredUrls() {
  return {
    name: 'mirrored-urls',
    setup(bundler) {
      bundler.onLoad({ filter: /\/(packages|apps)\/[^/]+\/dist\/.*\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        if (!text.includes('import.meta.url')) return undefined
        const place = JSON.stringify(relative(root, path))
        const base = "import.meta.url.slice(0,import.meta.url.lastIndexOf('/build/')+7)"
        return { contents: text.replaceAll('import.meta.url', `(${base}+${place})`), loader: 'js' }
      })
    },
  }
}

/** tsyringe demands reflect-metadata before it; chunks do not keep the order in which their modules were imported. */
function metadataFirst() {
  return {
    name: 'metadata-first',
    setup(bundler) {
      bundler.onLoad({ filter: /\/tsyringe\/dist\/[^/]+\/index\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        return { contents: `import 'reflect-metadata'\n${text}`, loader: 'js' }
      })
    },
  }
}

/**
 * Of undici only what `packages/client` uses: pools, connecting, and the `request` that undici's index adds to every
 * dispatcher. The whole index also loads fetch, caches, WebSockets and mocks, which costs each command 60 ms; being
 * CommonJS, it cannot be shaken. Another import from undici fails the bundle until it is named here.
 */
function connectionsOnly() {
  const contents = `
    import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
    import request from 'undici/lib/api/api-request.js'
    Object.assign(Dispatcher.prototype, { request })
    export { default as Pool } from 'undici/lib/dispatcher/pool.js'
    export { default as buildConnector } from 'undici/lib/core/connect.js'`
  return {
    name: 'connections-only',
    setup(bundler) {
      bundler.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'parts' }))
      bundler.onLoad({ filter: /^undici$/, namespace: 'parts' }, () => ({
        contents,
        resolveDir: root,
      }))
    },
  }
}

/**
 * Where `navigator` is missing (Node.js 20), pg asks the global `Response` whether it runs at Cloudflare. That loads the whole
 * of Node's own fetch: a tenth of a command's start.
 */
function nodeOnly() {
  const question = 'function isCloudflareRuntime() {'
  return {
    name: 'node-only',
    setup(bundler) {
      bundler.onLoad({ filter: /\/pg\/lib\/stream\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        if (!text.includes(question)) throw new Error(`${path} asks no more: remove this plugin`)
        return { contents: text.replace(question, `${question}\nreturn false`) }
      })
    },
  }
}

function copyManifests() {
  for (const group of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, group))) {
      const manifest = join(group, name, 'package.json')
      if (!existsSync(join(fresh, group, name))) continue
      mkdirSync(dirname(join(fresh, manifest)), { recursive: true })
      cpSync(join(root, manifest), join(fresh, manifest))
    }
  }
  cpSync(join(root, 'package.json'), join(fresh, 'package.json'))
}
