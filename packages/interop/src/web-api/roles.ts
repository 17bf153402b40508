import { toBase32 } from '@lafs/crypto'
import { parseCapStrict } from '@lafs/uri'
import type { Cap } from '@lafs/uri'

/**
 * The values that stood in the answers of one gateway, by what they are for. Two gateways draw
 * other keys for the same files: what they say is compared after values have become names.
 */
export interface Roles {
  /** Keeps a value; of a cap also the weaker ones and the storage index. */
  keep(name: string, value: string): void
  /** Keeps a value that both gateways must say alike: it stays as it is. */
  keepShared(name: string, value: string): void
  /** Puts the values in for their names. @param encode - says how. */
  fill(text: string, encode: (value: string) => string): string
  /** Puts names in for the values: also for caps that were never kept, by their kind. */
  strip(text: string): string
}

/** @param webUrl - the gateway's address, which becomes `<gateway>/`. */
export function createRoles(webUrl: string): Roles {
  const values = new Map<string, string>()
  const names = new Map<string, string>([[webUrl, '<gateway>/']])
  const roles: Roles = {
    keepShared(name, value) {
      for (const [suffix, text] of derived(value)) values.set(`${name}${suffix}`, text)
    },
    keep(name, value) {
      for (const [suffix, text] of derived(value)) {
        values.set(`${name}${suffix}`, text)
        names.set(text, `<${name}${suffix}>`)
      }
    },
    fill: (text, encode) =>
      text.replaceAll(/<([a-z][\w-]*(?::\w+)?)>/g, (written, name: string) => {
        // A gateway that fails one step is still asked the others.
        return encode(values.get(name) ?? `no value for ${written}`)
      }),
    strip(text) {
      let stripped = text
      const longestFirst = [...names].toSorted(([a], [b]) => b.length - a.length)
      for (const [value, name] of longestFirst) stripped = stripped.replaceAll(value, name)
      return stripped.replaceAll(DRAWN_CAP, '<$1>')
    },
  }
  return roles
}

/** Caps whose keys are drawn: the other ones follow from the data. */
const DRAWN_CAP =
  /URI:((?:DIR2-)?(?:SSK|MDMF)(?:-RO|-Verifier)?|DIR2(?:-MDMF)?(?:-RO|-Verifier)?):[a-z2-7]{26}:[a-z2-7]{52}/g

/** A value and what follows from it, with the suffix of its name. */
function derived(value: string): (readonly [suffix: string, value: string])[] {
  let cap: Cap
  try {
    cap = parseCapStrict(value)
  } catch {
    return [['', value]]
  }
  const weaker: (readonly [string, string])[] = [['', value]]
  if (!cap.readonly) weaker.push([':ro', cap.readCap().format()])
  const verify = cap.verifyCap()
  if (verify !== undefined) weaker.push([':verify', verify.format()])
  if ('storageIndex' in cap && cap.storageIndex !== undefined) {
    weaker.push([':si', toBase32(cap.storageIndex)])
  }
  return weaker
}
