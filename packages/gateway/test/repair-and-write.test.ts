import { isMutableFileNode } from '@lafs/filesystem-interface'
import { expect, it, vi } from 'vitest'
import { useWeb } from './web.ts'

const web = useWeb({}, 1)

it('a repair is in nobody’s way who is about to write into the same file', async () => {
  const caps = new Map<string, string>()
  for (const format of ['SDMF', 'MDMF']) {
    caps.set(format, (await web.put(`/uri?format=${format}`, '........')).text)
  }
  await web.grid.servers[0]?.stop()
  for (const [format, cap] of caps) {
    const file = `/uri/${encodeURIComponent(cap)}`
    const node = web.client.createNodeFromUri(cap)
    if (!isMutableFileNode(node)) throw new TypeError('expected a mutable file')
    const find = node.bestMutableVersion.bind(node)
    vi.spyOn(node, 'bestMutableVersion').mockImplementationOnce(async (options) => {
      const version = await find(options)
      // Shares stand now where the version has seen none.
      const repair = await web.post(`${file}?t=check&repair=true&output=json`)
      expect(repair.json()).toMatchObject({
        'repair-attempted': true,
        'post-repair-results': { results: { healthy: true } },
      })
      return version
    })
    const written = await web.put(`${file}?offset=2`, 'xx')
    expect([format, written.status]).toEqual([format, 200])
    expect((await web.get(file)).text).toBe('..xx....')
  }
})
