import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as lafs from 'lafs'
import { describe, expect, it } from 'vitest'

describe('lafs', () => {
  it('has what a full client needs', async () => {
    await using grid = await lafs.createLocalGrid({ servers: 1, transport: 'memory' })
    await using client = await grid.createClient({ codec: await lafs.loadCodec('js') })
    const { uri } = await client.upload(new Uint8Array(1000))
    expect(lafs.parseCap(uri).kind).toBe('chk')
    const directory = await client.createDirnode()
    await directory.setUri('name', uri)
    const node = await directory.get('name')
    expect(lafs.isFileNode(node) && (await node.downloadBestVersion()).length).toBe(1000)
    const kinds: string[] = []
    for await (const entry of lafs.traverse(directory)) {
      if (entry.type === 'object') kinds.push(entry.node.kind)
    }
    expect(kinds).toEqual(['directory', 'immutable-file'])
  })

  it('carries the commands under all their names', () => {
    const root = join(import.meta.dirname, '..')
    const tsc = join(
      dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
      'bin/tsc',
    )
    execFileSync(process.execPath, [tsc, '-b', root])
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(Object.keys(bin)).toEqual(['grid-manager', 'lafs', 'tahoe'])
    for (const file of Object.values<string>(bin)) {
      const output = execFileSync(process.execPath, [join(root, file), '--version'])
      expect(output.toString()).toMatch(/^(?:lafs|grid-manager): /)
    }
  })
})
