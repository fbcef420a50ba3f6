/** `keytrustee-kms audit verify`: checks this instance's audit offline, with a public key given from outside. */
import { readFile } from 'node:fs/promises'
import { type Command, optionGiven, printAuditReport } from '@keyhsm/command-line'
import { type AuditReport, verifyAudit } from '@keyhsm/service'
import { movesService } from '../service/with-moves.js'
import { pathsOf } from './folder.js'

export const auditCommands: readonly Command[] = [
  {
    name: 'audit verify',
    summary: 'check the audit for changed, missing or reordered entries',
    options: [
      {
        flag: 'public-key',
        value: 'F',
        file: true,
        describe: 'the auditor’s own copy of audit.pub; without it the one in the home is used',
      },
      { flag: 'moves', describe: 'the audit of import and export instead of the service’s' },
    ],
    async run(input, io) {
      const paths = pathsOf(input)
      const given = input.files['public-key']
      if (given === undefined)
        io.words(
          'warning: checked against audit.pub of this home; an auditor keeps a copy elsewhere',
        )
      const publicKey = (given ?? (await readFile(paths.auditPublicKey))).toString('utf8')
      return optionGiven(input, 'moves')
        ? verifyAudit({ directory: paths.movesAudit, publicKey, service: movesService })
        : verifyAudit({ directory: paths.audit, publicKey, service: 'keytrustee-kms' })
    },
    print: printAuditReport,
    exitCode: (report: AuditReport) => (report.ok ? 0 : 1),
  },
]
