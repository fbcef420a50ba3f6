// Runs one verb of the built cluster/ with JSON options and prints its answer as JSON: node cluster-command.mjs VERB OPTIONS
const cluster = await import(new URL('../../dist/cluster/index.js', import.meta.url).href)
const [verb, options] = process.argv.slice(2)

function print(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}

try {
  print({ value: await cluster[verb](JSON.parse(options)) })
} catch (error) {
  print({ error: { code: error.code, message: error.message, hints: error.hints ?? [] } })
}
