import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { parseCapStrict } from '@lafs/uri'
import { FOREIGN_CAPS } from './scenario/caps.ts'
import type { UpstreamClient } from '../upstream-node.ts'

/** Values of a scenario by name. */
export type Values = ReadonlyMap<string, string>

const BIG_SIZE = 300_000
/** Where the data of a share file of an immutable file begins. */
const SHARE_HEADER_SIZE = 12 + 36

/**
 * Makes the files and directories that every gateway is asked about.
 *
 * @param storages - the folders in which the servers of the grid keep their shares.
 * @returns their caps by name, and those of {@link FOREIGN_CAPS}.
 */
export async function makeSharedFiles(
  upstream: UpstreamClient,
  storages: readonly string[],
): Promise<Values> {
  const caps = new Map(FOREIGN_CAPS)
  const make = async (name: string, method: string, path: string, body?: string): Promise<void> => {
    const init = body === undefined ? { method } : { method, body }
    caps.set(name, new TextDecoder().decode(await upstream.web(path, init)).trim())
  }
  const children = (entries: Readonly<Record<string, string>>): string =>
    JSON.stringify(
      Object.fromEntries(Object.entries(entries).map(([name, cap]) => [name, entry(cap)])),
    )
  const entry = (cap: string): unknown => {
    const text = caps.get(cap) ?? ''
    return [
      'filenode',
      {
        [cap === 'future-ro' || !/SSK|MDMF|DIR2:/.test(text) ? 'ro_uri' : 'rw_uri']: text,
        ...(cap === 'tiny' ? {} : { metadata: METADATA }),
      },
    ]
  }
  await make('lit', 'PUT', 'uri', 'a literal text\n')
  await make('empty-file', 'PUT', 'uri', '')
  await make('chk', 'PUT', 'uri', counting(5000))
  await make('big', 'PUT', 'uri', counting(BIG_SIZE))
  await make(
    'page',
    'PUT',
    'uri',
    '<!DOCTYPE html><script>alert(document.domain)</script>'.repeat(3),
  )
  await make('sdmf', 'PUT', 'uri?format=SDMF', 'a mutable text')
  await make('mdmf', 'PUT', 'uri?format=MDMF', counting(BIG_SIZE))
  await make('empty-dir', 'PUT', 'uri?t=mkdir')
  await make('tiny', 'PUT', 'uri', 'x')
  await make('lit-dir', 'POST', 'uri?t=mkdir-immutable', children({ l: 'tiny' }))
  await make('empty-imm', 'POST', 'uri?t=mkdir-immutable', '{}')
  await make(
    'imm',
    'POST',
    'uri?t=mkdir-immutable',
    children({ 'a file': 'chk', below: 'lit-dir' }),
  )
  await make('mdmf-dir', 'PUT', 'uri?t=mkdir&format=MDMF')
  await make(
    'below',
    'POST',
    'uri?t=mkdir-with-children',
    children({ 'deep below': 'chk', big: 'big' }),
  )
  await make('dir', 'POST', 'uri?t=mkdir-with-children', children(TREE))
  await make(
    'with-gone',
    'POST',
    'uri?t=mkdir-with-children',
    children({ lost: 'gone-dir', file: 'chk' }),
  )
  await make('prohibited', 'PUT', 'uri', 'nobody may see this '.repeat(10))
  const withProhibited = children({ prohibited: 'prohibited', file: 'chk' })
  await make('with-prohibited', 'POST', 'uri?t=mkdir-with-children', withProhibited)
  for (const name of ['unhealthy', 'unrecoverable', 'corrupt']) {
    await make(name, 'PUT', 'uri', `${name} `.repeat(100))
  }
  await damage(caps.get('unhealthy'), storages, [0], 'remove')
  await damage(caps.get('unrecoverable'), storages, [0, 2], 'remove')
  await damage(caps.get('corrupt'), storages, [1], 'flip')
  return caps
}

/** Makes the files that only one gateway is asked about, since it changes them. */
export async function makeOwnFiles(
  upstream: UpstreamClient,
  storages: readonly string[],
  whose: string,
): Promise<Values> {
  const put = async (path: string): Promise<string> => {
    const body = `a file for the gateway ${whose} `.repeat(10)
    return new TextDecoder().decode(await upstream.web(path, { method: 'PUT', body }))
  }
  const damaged = await put('uri')
  await damage(damaged, storages, [1], 'remove')
  const mutable = await put('uri?format=SDMF')
  await damage(mutable, storages, [2], 'remove')
  return new Map([
    ['damaged', damaged],
    ['damaged-mutable', mutable],
  ])
}

/**
 * Puts files into the directory of a node that its gateway goes by: one in its folder of static files, and the
 * list of what it must not give.
 */
export async function makeNodeFiles(node: string, shared: Values): Promise<void> {
  const cap = parseCapStrict(shared.get('prohibited') ?? '')
  if (cap.kind !== 'chk') throw new Error(`expected a chk cap, got one of kind ${cap.kind}`)
  const entry = `${toBase32(cap.storageIndex)} it is prohibited \u00e9\n`
  await writeFile(join(node, 'access.blacklist'), entry)
  await mkdir(join(node, 'public_html', 'below'), { recursive: true })
  await writeFile(join(node, 'public_html', 'a page.html'), '<!DOCTYPE html><p>static')
  await writeFile(join(node, 'public_html', 'below', 'data.json'), '{}')
}

const METADATA = { kept: [1, 'two', null], tahoe: { linkcrtime: 1_500_000_000.5 } }

/** The names in the directory `dir`, and what stands there. */
const TREE = {
  'a file': 'chk',
  'a literal': 'lit',
  'page.html': 'page',
  'picture.svg': 'page',
  mutable: 'sdmf',
  mdmf: 'mdmf',
  unknown: 'future-ro',
  imm: 'imm',
  empty: 'empty-dir',
  'mdmf-dir': 'mdmf-dir',
  '\u00e9': 'below',
}

/** Bytes that differ from each other at any distance. */
function counting(size: number): string {
  let text = ''
  for (let number = 0; text.length < size; number += 1) text += `${number} `
  return text.slice(0, size)
}

/** Damages shares of a file where they are stored. */
async function damage(
  cap: string | undefined,
  storages: readonly string[],
  shareNumbers: readonly number[],
  how: 'remove' | 'flip',
): Promise<void> {
  const parsed = parseCapStrict(cap ?? '')
  if (!('storageIndex' in parsed) || parsed.storageIndex === undefined) {
    throw new Error(`expected a cap of shares, got one of kind ${parsed.kind}`)
  }
  const index = toBase32(parsed.storageIndex)
  let found = 0
  for (const storage of storages) {
    for (const number of shareNumbers) {
      const path = join(storage, 'shares', index.slice(0, 2), index, String(number))
      const share = await readFile(path).catch(() => undefined)
      if (share === undefined) continue
      found += 1
      if (how === 'remove') {
        await rm(path)
      } else {
        share[SHARE_HEADER_SIZE] = (share[SHARE_HEADER_SIZE] ?? 0) ^ 1
        await writeFile(path, share)
      }
    }
  }
  if (found !== shareNumbers.length) {
    throw new Error(`expected to damage ${shareNumbers.length} shares, found ${found}`)
  }
}
