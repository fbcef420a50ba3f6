/** `ktadmin doctor`: everything that can be checked, and what to do about what is found. */
import { type Command, type Io, printTable } from '@keyhsm/command-line'
import { systemClock } from '@keyhsm/core'
import { statusRoute } from '@keyhsm/protocol'
import { daemonState } from '@keyhsm/service'
import type { CheckedFinding } from '../doctor/check.js'
import { examine } from '../doctor/examine.js'
import { pathsIn } from '../paths.js'
import { readSettings } from '../settings.js'
import { asOption, callServer } from './control.js'

interface Report {
  readonly findings: readonly CheckedFinding[]
  readonly faults: number
  readonly warnings: number
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary:
    'check everything that can be checked, and say what to do; exit status 1 when something is faulty',
  options: [asOption],
  async run(input): Promise<Report> {
    const paths = pathsIn(input.home.keytrustee)
    const settings = await readSettings(paths).catch(() => undefined)
    const runs = daemonState(paths.pidFile).running
    const status = runs ? await callServer(input, statusRoute).catch(() => undefined) : undefined
    const findings = await examine({ paths, settings, status, now: systemClock.now() })
    const count = (state: CheckedFinding['state']) =>
      findings.filter((finding) => finding.state === state).length
    return { findings, faults: count('fault'), warnings: count('warning') }
  },
  print({ findings, faults, warnings }: Report, io: Io) {
    const rows = findings.map(({ state, remedy = '', ...row }) => ({
      ...row,
      state: state === 'fault' ? 'FAULT' : state,
      'what to do': remedy,
    }))
    printTable(rows, ['check', 'state', 'detail', 'what to do'], io)
    io.words(`${faults} faults, ${warnings} warnings in ${findings.length} findings`)
  },
  exitCode: ({ faults }: Report) => (faults > 0 ? 1 : 0),
}
