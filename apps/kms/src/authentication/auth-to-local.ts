/**
 * Rules that make a short name of a Kerberos principal, as `hadoop.kms.authentication.kerberos.name.rules` has them.
 * @see org.apache.hadoop.security.authentication.util.KerberosName
 */
import { DomainError, invalidInput } from '@keyhsm/core'

export type Mechanism = 'hadoop' | 'mit'

interface Rule {
  readonly text: string
  apply(parts: readonly string[], realm: string): string | undefined
}

export interface NameRules {
  /** @throws ERR_NOT_AUTHENTICATED when no rule applies, or the result is no simple name. */
  shortName(principal: string): string
}

/** `client/host@REALM` → components and realm; undefined for what is no principal. */
function parsePrincipal(principal: string): { parts: string[]; realm: string } | undefined {
  const match = /^([^/@]+)(?:\/([^/@]+))?(?:@([^/@]+))?$/.exec(principal)
  if (!match?.[1]) return undefined
  return {
    parts: match[2] === undefined ? [match[1]] : [match[1], match[2]],
    realm: match[3] ?? '',
  }
}

/** @throws ERR_INVALID_INPUT naming `field` and the rule that cannot be read. */
export function parseNameRules(
  text: string,
  o: { readonly mechanism: Mechanism; readonly defaultRealm: string; readonly field: string },
): NameRules {
  const rules = text
    .split(/\s+/)
    .filter(Boolean)
    .map((rule) => parseRule(rule, o))
  return {
    shortName(principal) {
      if (!/[@/]/.test(principal)) return principal
      const parsed = parsePrincipal(principal)
      if (!parsed) throw refused(`Malformed Kerberos name: ${principal}`)
      for (const rule of rules) {
        const name = rule.apply(parsed.parts, parsed.realm)
        if (name === undefined) continue
        if (o.mechanism === 'hadoop' && /[/@]/.test(name))
          throw refused(`Non-simple name ${name} after auth_to_local rule ${rule.text}`)
        return name
      }
      if (o.mechanism === 'mit') return principal
      throw refused(`No rules applied to ${principal}`)
    },
  }
}

function parseRule(
  text: string,
  o: { readonly defaultRealm: string; readonly field: string },
): Rule {
  if (text === 'DEFAULT')
    return {
      text,
      apply: (parts, realm) => (realm === o.defaultRealm ? parts[0] : undefined),
    }
  const match = /^RULE:\[(\d):([^\]]*)\](?:\(([^)]*)\))?(?:s\/([^/]*)\/([^/]*)\/(g)?)?(\/L)?$/.exec(
    text,
  )
  if (!match) throw invalidInput(o.field, `holds a rule that cannot be read: ${text}`)
  return { text, apply: compileRule(match, o.field) }
}

function compileRule(match: RegExpExecArray, field: string): Rule['apply'] {
  const [, count, format = '', pattern, from, to = '', global, lower] = match
  const whole = pattern === undefined ? undefined : toRegExp(`^(?:${pattern})$`, '', field)
  const sed = from === undefined ? undefined : toRegExp(from, global ?? '', field)
  return (parts, realm) => {
    if (parts.length !== Number(count)) return undefined
    const base = format.replace(/\$(\d)/g, (_, digit: string) =>
      digit === '0' ? realm : (parts[Number(digit) - 1] ?? ''),
    )
    if (whole && !whole.test(base)) return undefined
    const name = sed ? base.replace(sed, to) : base
    return lower ? name.toLowerCase() : name
  }
}

function toRegExp(pattern: string, flags: string, field: string): RegExp {
  try {
    return new RegExp(pattern, flags)
  } catch {
    throw invalidInput(field, `holds a pattern that cannot be read: ${pattern}`)
  }
}

function refused(detail: string): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', detail)
}
