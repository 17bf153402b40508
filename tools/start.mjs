// The main job: a grid of real storage servers on this machine, files stored in it and read back, and
// a directory that leads to them.
//   npm start                   the sample file; the grid runs on until Ctrl-C
//   npm start -- FILE…          these files too
//   npm start -- --check        the same, then ends: 0 when all was well, 1 when not
// Everything stays in .lafs/grid: the next start finds the same servers, secrets and files.
import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { root, setup } from './setup.mjs'

const SERVER_COUNT = 5
const SAMPLE_SIZE = 20_000_000
/** How many of the files of earlier starts are read back. */
const REMEMBERED_MAX = 20
/** The alias of the directory that leads to them. */
const ALIAS = 'start'
const never = new AbortController().signal

const folder = join(root, '.lafs', 'grid')
const check = process.argv.includes('--check')
const files = process.argv.slice(2).filter((word) => word !== '--check')

const fancy = process.stdout.isTTY && process.env.NO_COLOR === undefined
const style = (code) => (text) => (fancy ? `\u001B[${code}m${text}\u001B[0m` : text)
const bold = style(1)
const dim = style(2)
const green = style(32)
const red = style(31)

function say(line = '') {
  process.stdout.write(`${line}\n`)
}

function fact(label, text) {
  say(`  ${dim(label.padEnd(9))}${text}`)
}

const here = (path) => relative(process.cwd(), path) || '.'

/** A line that counts along on a terminal and leaves no trace. */
function ticker(bar) {
  return { onProgress: bar.update, end: bar.end }
}

/** The sample: bytes that look random and are the same each time. */
async function makeSample(path) {
  if (existsSync(path) && statSync(path).size === SAMPLE_SIZE) return
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'lafs'), Buffer.alloc(16))
  await writeFile(path, cipher.update(Buffer.alloc(SAMPLE_SIZE)))
}

async function hashOf(pieces) {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

async function timed(work) {
  const begin = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - begin) / 1000 }
}

/** What earlier starts stored. Caps are secrets: the file is for its owner alone. */
const memoryFile = join(folder, 'stored.json')

function recall() {
  try {
    return JSON.parse(readFileSync(memoryFile, 'utf8'))
  } catch {
    return []
  }
}

function remember(entries) {
  writeFileSync(memoryFile, `${JSON.stringify(entries, null, 2)}\n`, { mode: 0o600 })
}

async function main() {
  for (const file of files) {
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      console.error(`${file} is no file`)
      return 1
    }
  }
  setup({ quiet: true })
  const dist = (path) => import(pathToFileURL(join(root, 'packages', path)).href)
  const { createLocalGrid } = await dist('node-directory/dist/index.js')
  const { progressBar, formatBytes, run } = await dist('cli/dist/index.js')
  const { uploadableFromFile } = await dist('immutable/dist/node.js')
  const { parseCap } = await dist('uri/dist/index.js')
  const { toBase32 } = await dist('crypto/dist/index.js')

  await mkdir(folder, { recursive: true })
  const grid = await createLocalGrid({ servers: SERVER_COUNT, folder })
  const client = await grid.createClient()
  const bar = () => ticker(progressBar(process.stderr, { now: Date.now }))
  const speed = (bytes, seconds) =>
    `${seconds.toFixed(2)} s, ${formatBytes(bytes / Math.max(seconds, 1e-6))}/s`

  /** Where the file of a share is. */
  const shareFile = (serverId, cap, share) => {
    const index = toBase32(parseCap(cap).storageIndex)
    const server = grid.servers.find((one) => one.serverId === serverId)
    return join(server.folder, 'storage', 'shares', index.slice(0, 2), index, String(share))
  }

  async function readBack(cap, size, sha256) {
    const { onProgress, end } = bar()
    const { value, seconds } = await timed(() =>
      hashOf(client.createNodeFromUri(cap).read({ onProgress })),
    ).finally(end)
    const same = value === sha256
    const verdict = same ? green('the same bytes') : red('OTHER BYTES')
    fact('read', `${speed(size, seconds)}: ${verdict} ${dim(`SHA-256 ${value.slice(0, 16)}…`)}`)
    return same
  }

  async function storeFile(path) {
    const uploadable = await uploadableFromFile(path)
    const { size } = uploadable
    say(`${bold(basename(path))}  ${formatBytes(size)}`)
    const { onProgress, end } = bar()
    const { value, seconds } = await timed(() => client.upload(uploadable, { onProgress })).finally(
      end,
    )
    await uploadable.close()
    fact('cap', value.uri)
    if (value.sharemap.size === 0) fact('stored', 'in the cap itself: the file is that small')
    else {
      const { pushedShares: pushed, preexistingShares: there } = value
      const fresh =
        pushed === 0
          ? 'every share was there already'
          : there === 0
            ? `${pushed} shares`
            : `${there} shares were there already, ${pushed} stored`
      fact('stored', `${fresh}, ${speed(size, seconds)}`)
    }
    const places = [...value.sharemap].toSorted(([a], [b]) => a - b)
    for (const [share, servers] of places) {
      for (const serverId of servers) {
        const file = shareFile(serverId, value.uri, share)
        const { nickname } = grid.servers.find((one) => one.serverId === serverId)
        const shareSize = formatBytes(statSync(file).size)
        fact(
          '',
          `share ${String(share).padStart(2)}  ${nickname}  ${shareSize}  ${dim(here(file))}`,
        )
      }
    }
    const sha256 = await hashOf(createReadStream(path))
    const same = await readBack(value.uri, size, sha256)
    say()
    return { same, entry: { name: basename(path), cap: value.uri, size, sha256 } }
  }

  /** What the command line says to a command. */
  async function lafsCommand(...words) {
    let text = ''
    const stdout = new Writable({
      write: (piece, _encoding, done) => {
        text += piece
        done()
      },
    })
    const { stdin, stderr } = process
    const terminal = { stdin, stdout, stderr, cwd: root, now: Date.now, signal: never }
    const status = await run(['-d', grid.clientFolder, ...words], terminal)
    if (status !== 0) throw new Error(`lafs ${words[0]} ended with ${status}`)
    return text
  }

  /** The directory of all starts, under an alias for the command line. */
  async function openDirectory() {
    const known = JSON.parse(await lafsCommand('list-aliases', '--json'))[ALIAS]
    if (known !== undefined) return client.createNodeFromUri(known.readwrite)
    const { value: directory, seconds } = await timed(() => client.createDirnode())
    await lafsCommand('add-alias', ALIAS, directory.uri)
    say(`${bold(`${ALIAS}:`)}  a new directory, made in ${seconds.toFixed(2)} s`)
    return directory
  }

  async function listDirectory(directory) {
    const { value: children, seconds } = await timed(() => directory.list())
    say(
      `${bold(`${ALIAS}:`)}  ${children.size} ${children.size === 1 ? 'entry' : 'entries'}, listed in ${seconds.toFixed(2)} s`,
    )
    for (const [name, { node, metadata }] of children) {
      const linked = new Date(metadata.tahoe.linkmotime * 1000).toISOString().slice(0, 19)
      fact('', `${name}  ${formatBytes(node.size)}  ${dim(`linked ${linked}Z`)}`)
    }
    say()
  }

  try {
    say()
    say(bold(`A grid of ${SERVER_COUNT} storage servers on this machine`))
    for (const server of grid.servers) {
      const address = /tcp:([^/]+)/.exec(server.announcement['anonymous-storage-FURL'])?.[1]
      fact(
        server.nickname,
        `https://${address}  ${server.serverId.slice(0, 11)}…  ${dim(here(server.folder))}`,
      )
    }
    const { requiredShares: k, totalShares: n, happyShares: happy } = client.encoding
    fact(
      'client',
      `any ${k} of ${n} shares, on ${happy} servers at least; codec ${client.codec.name} (${client.codec.capabilities.kernel})`,
    )
    say()

    const before = recall()
    let allSame = true
    for (const { name, cap, size, sha256 } of before) {
      say(`${bold(name)}  ${formatBytes(size)}, stored before`)
      allSame = (await readBack(cap, size, sha256)) && allSame
    }
    if (before.length > 0) say()
    const directory = await openDirectory()

    const sample = join(folder, 'sample.bin')
    await makeSample(sample)
    let entries = before
    for (const path of [sample, ...files.map((file) => resolve(file))]) {
      const { same, entry } = await storeFile(path)
      allSame &&= same
      entries = [...entries.filter((one) => one.cap !== entry.cap), entry].slice(-REMEMBERED_MAX)
      remember(entries)
      await directory.setUri(entry.name, entry.cap)
    }
    await listDirectory(directory)

    if (check) {
      say(
        allSame
          ? green('All files came back as they were.')
          : red('Not every file came back as it was.'),
      )
      return allSame ? 0 : 1
    }
    const lafs = `node ${here(join(root, 'packages/cli/bin/lafs.js'))} -d ${here(grid.clientFolder)}`
    say(bold('The grid runs until Ctrl-C. In another terminal:'))
    say(`  ${lafs} put FILE`)
    say(`  ${lafs} get CAP FILE`)
    say(`  ${lafs} ls -l ${ALIAS}:`)
    say(`  ${lafs} cp -r FOLDER ${ALIAS}:`)
    await new Promise((stop) => {
      process.once('SIGINT', stop)
      process.once('SIGTERM', stop)
      // Nothing else may keep this process up.
      const alive = setInterval(() => undefined, 2 ** 30)
      process.once('exit', () => clearInterval(alive))
    })
    say('\nThe grid stops; its files stay.')
    return allSame ? 0 : 1
  } finally {
    await client.close()
    await grid.close()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`${error.code ? `${error.code}: ` : ''}${error.message}`)
  process.exitCode = 1
}
if (!check) process.exit()
