/** Arrays of fewer bytes are left to V8, which is good at them. */
const RECYCLED_SIZE_MIN: number = 64 * 1024
/** Bytes that are kept for later, at most. */
const SPARE_SIZE_MAX: number = 16 * 1024 * 1024
/** When nobody has wanted memory for so long, nothing is kept. */
const IDLE_MS = 5000

/** What {@link takeMemory} made and nobody has given back. */
const lent = new WeakSet<ArrayBufferLike>()
/** What has been given back, the longest ago first. */
const spare: ArrayBufferLike[] = []
let spareSize = 0
let takenMs = 0
let watched = false

/**
 * Memory with whatever stood there before, for who fills all of it. It belongs to the caller, who may
 * hand it on, and to nobody else.
 *
 * Share data passes by in megabytes. If each of them were fresh memory, V8 would spend as long on
 * collecting it, and the system on its pages, as everything else takes together.
 *
 * @param size - bytes.
 */
export function takeMemory(size: number): Uint8Array {
  if (size < RECYCLED_SIZE_MIN) return new Uint8Array(size)
  takenMs = performance.now()
  const found = spare.findLastIndex(
    ({ byteLength }) => byteLength >= size && byteLength <= 2 * size,
  )
  const [kept] = found < 0 ? [] : spare.splice(found, 1)
  spareSize -= kept?.byteLength ?? 0
  const buffer = kept ?? new ArrayBuffer(size)
  lent.add(buffer)
  return new Uint8Array(buffer, 0, size)
}

/**
 * Gives memory back, once nobody looks at any part of it any more and nobody will. What no
 * {@link takeMemory} has made is left alone, so that the owner of bytes need not know where they come
 * from; and whoever is not sure who looks at them just lets go of them.
 *
 * @param bytes - or a part of them: all of the memory goes back.
 */
export function recycleMemory({ buffer }: Uint8Array): void {
  if (!lent.delete(buffer)) return
  spare.push(buffer)
  spareSize += buffer.byteLength
  while (spareSize > SPARE_SIZE_MAX) spareSize -= spare.shift()?.byteLength ?? spareSize
  if (!watched) watch()
}

/** Lets go of what is kept, once nobody has wanted memory for a while. */
function watch(): void {
  watched = true
  const timer: unknown = setTimeout(() => {
    watched = false
    if (performance.now() - takenMs < IDLE_MS) return watch()
    spare.length = 0
    spareSize = 0
  }, IDLE_MS)
  // Elsewhere than in Node it is a number.
  ;(timer as { unref?: () => void }).unref?.()
}
