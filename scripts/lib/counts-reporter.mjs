/** A vitest reporter for `npm test`: writes how many passed, failed and were skipped, and says why each was skipped. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './say.mjs'
import { root } from './sources.mjs'

export default class CountsReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const { state, note } = test.result()
        counts[state === 'passed' || state === 'skipped' ? state : 'failed'] += 1
        if (state === 'skipped') say(`skipped: ${test.fullName}${note ? `: ${note}` : ''}`)
      }
    }
    writeFileSync(join(root, 'reports', 'unit.json'), JSON.stringify(counts))
  }
}
