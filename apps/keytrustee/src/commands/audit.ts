/** `ktadmin audit verify`: checks the server's audit offline, with a public key given from outside. */
import { readFile } from 'node:fs/promises'
import { type Command, optionText, printAuditReport } from '@keyhsm/command-line'
import { type AuditReport, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { pathsIn } from '../paths.js'

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
      {
        flag: 'seen-by',
        value: 'DIR',
        describe:
          'audit folder of Key HSM, or a copy: what it recorded of this audit must be in it',
      },
    ],
    async run(input, io) {
      const paths = pathsIn(input.home.keytrustee)
      const given = input.files['public-key']
      if (given === undefined)
        io.words(
          'warning: checked against audit.pub of this home; an auditor keeps a copy elsewhere',
        )
      const publicKey = (given ?? (await readFile(paths.auditPublicKey))).toString('utf8')
      const witness = optionText(input, 'seen-by')
      return verifyAudit({
        directory: paths.audit,
        publicKey,
        service: 'keytrustee',
        expectAtLeast: witness === undefined ? [] : await findSeenHeads(paths.audit, witness),
      })
    },
    print: printAuditReport,
    exitCode: (report: AuditReport) => (report.ok ? 0 : 1),
  },
]
