/** A vitest reporter for `npm test`: writes how many passed, failed and were skipped and which failed, and says why each was skipped. */
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { say } from './say.mjs'
import { root } from './sources.mjs'

export default class CountsReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: 0 }
    const cases = errors.map((error) => failed('outside of a test', [error]))
    for (const module of modules) {
      if (module.errors().length > 0) {
        counts.failed += 1
        cases.push(failed(module.moduleId, module.errors()))
      }
      for (const test of module.children.allTests()) {
        const { state, note, errors: faults } = test.result()
        counts[state === 'passed' || state === 'skipped' ? state : 'failed'] += 1
        if (state === 'failed')
          cases.push(failed(`${relative(root, module.moduleId)} > ${test.fullName}`, faults))
        if (state === 'skipped') say(`skipped: ${test.fullName}${note ? `: ${note}` : ''}`)
      }
    }
    writeFileSync(join(root, 'reports', 'unit.json'), JSON.stringify({ ...counts, cases }))
  }
}

function failed(name, errors) {
  return { name, status: 'failed', why: errors[0]?.message }
}
