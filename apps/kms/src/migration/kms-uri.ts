/** Hadoop's provider URI: `kms://https@h1;h2:9600/kms`. */
import { invalidInput } from '@keyhsm/core'

/** Base URLs of the instances, in the order of the URI: `https://h1:9600/kms`. @throws ERR_INVALID_INPUT naming `field`. */
export function parseKmsUri(text: string, field: string): readonly string[] {
  const [, scheme, hosts = '', port = '', path = ''] =
    /^kms:\/\/(https?)@([^/@]+?)(:\d{1,5})?(\/[\w./-]*)?$/.exec(text) ?? []
  const bases = hosts
    .split(';')
    .map((host) => `${scheme}://${host}${port}${path.replace(/\/$/, '')}`)
  if (scheme === undefined || !bases.every((base) => URL.canParse(base)))
    throw invalidInput(field, 'must be an address such as kms://https@host1;host2:9600/kms')
  return bases
}
