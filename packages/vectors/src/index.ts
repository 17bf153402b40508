import { read } from '#read'

/**
 * The recorded answers of one file of `data/`, as parsed JSON. Byte strings are lower-case hexadecimal.
 *
 * @param name - the area and the file without its ending, such as `chk/caps`.
 * @throws when there is no such file.
 */
export async function loadVectors<T>(name: string): Promise<T> {
  const parsed: T = JSON.parse(new TextDecoder().decode(await loadBytes(`${name}.json`)))
  return parsed
}

/**
 * The bytes of one file of `data/`, in fresh memory.
 *
 * @param name - the path below `data/` with its ending, such as `chk/shares/1-1-56.0.share`.
 * @throws when there is no such file.
 */
export function loadBytes(name: string): Promise<Uint8Array> {
  return read(`../data/${name}`)
}

/** The bytes that a hexadecimal text of the vectors stands for. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

/** Lower-case hexadecimal, as the vectors write bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The first `length` bytes of `seed` repeated without end: the plaintext of many vectors. */
export function stretch(seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  out.set(seed.subarray(0, length))
  for (let filled = seed.length; filled < length; filled *= 2) out.copyWithin(filled, 0, filled)
  return out
}
