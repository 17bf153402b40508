import { hasUriPrefix } from '@lafs/uri'

/** Whether a text looks like a cap: what came from elsewhere and does not is not to be kept as one. */
export function isCapText(text: string): boolean {
  return hasUriPrefix(text) && /^[!-~]+$/.test(text)
}
