/** The programs of the product, for what is made from or checked against their records. */
import { program as keyhsm } from '@keyhsm/app-keyhsm'
import { keytrusteeOrgtool, keytrusteeServer, ktadmin } from '@keyhsm/app-keytrustee'
import { program as keytrustee } from '@keyhsm/app-cli'
import { program as keytrusteeKms } from '@keyhsm/app-kms'

/** `callers`: where one workspace holds several programs, what a test file of this one mentions. */
export const programs = [
  { program: keyhsm, workspace: 'apps/keyhsm' },
  {
    program: keytrusteeServer,
    workspace: 'apps/keytrustee',
    callers: /keytrusteeServer|'keytrustee-server'/,
  },
  { program: ktadmin, workspace: 'apps/keytrustee', callers: /ktadmin/ },
  { program: keytrusteeOrgtool, workspace: 'apps/keytrustee', callers: /keytrusteeOrgtool/ },
  { program: keytrustee, workspace: 'apps/cli' },
  { program: keytrusteeKms, workspace: 'apps/kms' },
]
