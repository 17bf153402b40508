import { readFile } from 'node:fs/promises'
import { loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'

/** What `lafs --version` prints: the version, then what does the work. */
export async function versionText(): Promise<string> {
  const manifest = JSON.parse(
    await readFile(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  const codec = await loadCodec()
  return [
    `lafs: ${manifest.version}`,
    `codec: ${codec.name} (${codec.capabilities.kernel})`,
    `crypto: ${defaultCrypto.name}`,
    `node: ${process.versions.node} (${process.platform} ${process.arch})`,
  ].join('\n')
}
