import type { ShareNumber } from '@lafs/storage-interface'
import { fromHex, loadBytes, loadVectors, stretch } from '@lafs/vectors'

/** Where the recordings keep some shares: one file, with one share after the other. */
export interface KeptShares {
  readonly file: string
  readonly shareNumbers: readonly ShareNumber[]
  readonly sizes: readonly number[]
}

/** A mutable file that upstream wrote. */
export interface RecordedFile {
  readonly name: string
  /** Its write cap. */
  readonly cap: string
  readonly shares: ReadonlyMap<ShareNumber, Uint8Array>
  readonly plaintext: Uint8Array
}

/** The shares of a recording, by number. */
export async function keptShares({
  file,
  shareNumbers,
  sizes,
}: KeptShares): Promise<Map<ShareNumber, Uint8Array>> {
  const joined = await loadBytes(file)
  let at = 0
  return new Map(
    shareNumbers.map((number, index) => {
      const from = at
      at += sizes[index] ?? 0
      return [number, joined.slice(from, at)]
    }),
  )
}

/** What the recordings say of a mutable file. */
interface Recording {
  readonly cap: string
  readonly seed: string
  readonly size: number
  readonly kept?: KeptShares
}

/** Every mutable file of which upstream's shares were recorded, all of them. */
export async function recordedFiles(): Promise<RecordedFile[]> {
  const { cases } = await loadVectors<{ cases: Recording[] }>('mutable/shares')
  const files: RecordedFile[] = []
  for (const { kept, cap, seed, size } of cases) {
    if (kept === undefined) continue
    const name = kept.file.replace(/^.*\/|\.shares$/g, '')
    const plaintext = stretch(fromHex(seed), size)
    files.push({ name, cap, shares: await keptShares(kept), plaintext })
  }
  return files
}

/** The recorded mutable file of this name. */
export async function recordedFile(name: string): Promise<RecordedFile> {
  const file = (await recordedFiles()).find((one) => one.name === name)
  if (file === undefined) throw new RangeError(`no recording ${name}`)
  return file
}
