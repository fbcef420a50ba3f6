/** The Debian packages this project needs, each with what for. The demo needs the first group, the tests both. */
export const demoPackages = {
  softhsm2: 'the HSM in software',
  opensc: 'pkcs11-tool, the tool of the HSM in the demo',
  postgresql: 'the database (only its binaries; the product makes a private cluster)',
  openssl: 'certificates shown and checked',
  curl: 'the connection check of the manual',
  iproute2: 'ss, to show that nothing is left listening',
  procps: 'ps, to search process lists for secrets',
  'g++': 'compiler for the one native addon (pkcs11js)',
  make: 'builds the addon',
  python3: 'builds the addon (node-gyp); a person at a terminal, in the tests',
}

export const testPackages = {
  libnss3: 'NSS softoken, a second independent PKCS#11 library',
  'libnss3-tools': 'certutil, makes the NSS database',
  opencryptoki: 'a third independent PKCS#11 library; its daemon runs in namespaces of the test',
  'python3-cryptography': 'the independent opener of sealed deposits',
  git: 'the checks of the repository',
  faketime: 'certificates that have expired, in the tests',
  'default-jre-headless': 'keytool, which must read the keystore',
  nftables: 'nft, which drops packets between the machines of npm run ha',
  logrotate: 'the real one, which must not cost a line of the log',
}

/** What `npm run interop:hadoop` needs beside the tests' own. */
export const hadoopPackages = {
  'default-jdk-headless': 'Java, for Hadoop’s own client',
  maven: 'fetches Hadoop’s published artifacts',
  'krb5-kdc': 'a real Kerberos KDC on loopback',
  'krb5-admin-server': 'kadmin.local, makes its principals',
  'krb5-user': 'kinit',
}
