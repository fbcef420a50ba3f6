/** Settings of a stack, as a person with an editor changes them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Sets or adds one setting; `file` is below the home. The file keeps owner and mode. */
export function setLine(stack, name, value, file = 'keyhsm/application.properties') {
  const path = join(stack.home, file)
  const rest = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith(`${name}=`) && !line.startsWith(`${name} `))
  writeFileSync(path, `${rest.join('\n').trimEnd()}\n${name}=${value}\n`)
}
