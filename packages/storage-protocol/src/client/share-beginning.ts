/** What is known of the beginning of a share. */
export interface ShareBeginning {
  readonly data: Uint8Array
  /** Whether the share ends with them. */
  readonly isWhole: boolean
}

/**
 * What a read of a share gives, in memory of its own; undefined where more of the share would have to be
 * known.
 */
export function readFrom(
  beginning: ShareBeginning | undefined,
  offset: number,
  size: number,
): Uint8Array | undefined {
  if (beginning === undefined) return undefined
  const { data, isWhole } = beginning
  const end = offset + size
  // A read that makes no sense is refused as any other.
  if (!(Number.isSafeInteger(end) && offset >= 0 && size >= 0)) return undefined
  return isWhole || end <= data.length ? data.slice(offset, end) : undefined
}
