import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toBase32 } from '../../packages/crypto/dist/index.js'

/** Makes a folder of immutable shares, each with one lease, as upstream's server keeps them. */
export function makeShares(storage, count) {
  const header = Buffer.alloc(12)
  header.writeUInt32BE(2, 0)
  header.writeUInt32BE(200, 4)
  header.writeUInt32BE(1, 8)
  const lease = Buffer.alloc(72)
  lease.writeUInt32BE(1, 0)
  lease.writeUInt32BE(Math.floor(Date.now() / 1000) + 1_000_000, 68)
  for (let n = 0; n < count; n++) {
    const storageIndex = toBase32(randomBytes(16))
    const folder = join(storage, 'shares', storageIndex.slice(0, 2), storageIndex)
    mkdirSync(folder, { recursive: true })
    randomBytes(64).copy(lease, 4)
    writeFileSync(join(folder, String(n % 10)), Buffer.concat([header, randomBytes(200), lease]))
  }
}
