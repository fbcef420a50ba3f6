/**
 * What each installable package holds. Trees are made from the bundle in `build/` (scripts/bundle.mjs): launchers, the
 * programs' files and manifests, the native addon where a program needs it. The deb and the rpm are made from one tree.
 */

/** Node.js, once for all packages: distributions have older ones. */
export const runtimeFolder = '/usr/lib/keyhsm-node'

const debUser = ['util-linux', 'adduser | passwd']
const rpmUser = ['util-linux', 'shadow-utils']
const scripts = { postinst: 'postinst', prerm: 'prerm', postrm: 'postrm' }

/**
 * `values` fill the `@NAME@` of the files in `packaging/`: a package's own folder first, `common/` else. Names are ours alone:
 * a package of the other product's name would be an upgrade to it, and remove its files.
 */
export const packages = [
  {
    name: 'keyhsm-node',
    summary: 'Node.js for Key HSM and Key Trustee Server',
    description: 'The Node.js that the programs of Key HSM and Key Trustee Server run on.',
    runtime: true,
    debDepends: ['libc6 (>= 2.28)', 'libstdc++6 (>= 8)', 'libgcc-s1 | libgcc1'],
    rpmRequires: ['glibc >= 2.28', 'libstdc++ >= 8'],
  },
  {
    name: 'keyhsm',
    summary: 'makes a hardware security module the root of trust of a Key Trustee Server',
    description:
      'Key HSM seals deposits of a Key Trustee Server under keys that only a hardware security\nmodule can release. With commands, files and paths of the product that it succeeds.',
    /** Launcher in bin/ → the commands that the package puts into /usr/bin. */
    programs: ['keyhsm'],
    /** Trees of `build/` that the programs load, chunks aside. */
    entries: ['apps/keyhsm', 'packages/hsm-pkcs11'],
    addon: 'pkcs11js',
    folder: 'keyhsm',
    unit: 'keyhsm.service',
    initScript: 'keyhsm.init',
    scripts,
    debDepends: ['keyhsm-node (= VERSION)', ...debUser],
    debRecommends: ['systemd'],
    rpmRequires: ['keyhsm-node = VERSION', ...rpmUser],
  },
  {
    name: 'keyhsm-trustee-server',
    summary: 'Key Trustee Server: keeps deposits that only an HSM can open',
    description:
      'Keeps keys and other small secrets of its clients in PostgreSQL, each sealed by a Key HSM.\nProvides keytrustee-server, ktadmin and keytrustee-orgtool.',
    programs: ['keytrustee-server', 'ktadmin', 'keytrustee-orgtool'],
    entries: ['apps/keytrustee'],
    folder: 'trustee-server',
    unit: 'keytrusteed.service',
    logrotate: 'logrotate',
    scripts,
    values: {
      SERVICE: 'keytrustee-server',
      USER: 'keytrustee',
      HOME: '/var/lib/keytrustee',
      FILES: '/var/lib/keytrustee/.keytrustee',
      LOG: '/var/log/keytrustee',
      MADE: '/var/lib/keytrustee/.keytrustee/keytrustee.properties',
      NEXT: 'ktadmin init --external-address NAME; ktadmin db bootstrap',
    },
    debDepends: ['keyhsm-node (= VERSION)', ...debUser],
    debRecommends: ['systemd', 'postgresql (>= 15)', 'logrotate'],
    rpmRequires: ['keyhsm-node = VERSION', ...rpmUser],
  },
  {
    name: 'keyhsm-trustee-client',
    summary: 'client of a Key Trustee Server',
    description: 'Provides keytrustee: registers, puts, gets and shares deposits.',
    programs: ['keytrustee'],
    entries: ['apps/cli'],
    folder: 'trustee-client',
    scripts,
    values: { NEXT: 'keytrustee register --server https://NAME:11371 --org ORGANISATION' },
    debDepends: ['keyhsm-node (= VERSION)'],
    rpmRequires: ['keyhsm-node = VERSION'],
  },
  {
    name: 'keyhsm-trustee-kms',
    summary: 'Hadoop KMS whose zone keys are deposits of a Key Trustee Server',
    description: 'Provides keytrustee-kms, which speaks the REST API of Hadoop KMS.',
    programs: ['keytrustee-kms'],
    entries: ['apps/kms'],
    folder: 'trustee-kms',
    unit: 'keytrustee-kms.service',
    logrotate: 'logrotate',
    scripts,
    values: {
      SERVICE: 'keytrustee-kms',
      USER: 'keytrustee-kms',
      HOME: '/var/lib/keytrustee-kms',
      FILES: '/var/lib/keytrustee-kms',
      LOG: '/var/log/keytrustee-kms',
      MADE: '/var/lib/keytrustee-kms/kms.properties',
      NEXT: 'keytrustee-kms init --server https://NAME:11371 --org ORGANISATION --auth-file FILE',
    },
    debDepends: ['keyhsm-node (= VERSION)', ...debUser],
    debRecommends: ['systemd', 'curl', 'logrotate'],
    rpmRequires: ['keyhsm-node = VERSION', ...rpmUser],
  },
]
