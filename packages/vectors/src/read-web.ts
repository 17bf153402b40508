/** Fetches a file whose path is relative to this module. */
export async function read(path: string): Promise<Uint8Array> {
  const response = await fetch(new URL(path, import.meta.url))
  if (!response.ok) throw new Error(`expected ${path}, got HTTP status ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}
