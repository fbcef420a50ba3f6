/**
 * What each installable package holds. Trees are made from the bundle in `build/` (scripts/bundle.mjs): launchers, the
 * programs' files and manifests, the native addon where a program needs it. The deb and the rpm are made from one tree.
 */

/** Node.js, once for all packages: distributions have older ones. */
export const runtimeFolder = '/usr/lib/keyhsm-node'

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
    user: 'keyhsm',
    unit: 'keyhsm.service',
    initScript: 'keyhsm.init',
    scripts: { postinst: 'postinst', prerm: 'prerm', postrm: 'postrm' },
    debDepends: ['keyhsm-node (= VERSION)', 'util-linux', 'adduser | passwd'],
    debRecommends: ['systemd'],
    rpmRequires: ['keyhsm-node = VERSION', 'util-linux', 'shadow-utils'],
  },
]
