import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Exchange } from '../src/context.ts'
import type { Route } from '../src/routes/route.ts'
import { DIRECTORIES, FILES, PATHS, PLACEHOLDERS, UNKNOWN, UNLINKED } from '../src/routes/table.ts'

// The table of docs/spec/web-api.md is made from the tables of routes, and from the titles of these
// tests: a title that begins with the label of a row names its test. LAFS_WRITE_TABLE=1 writes it.

const PAGE = new URL('../../../docs/spec/web-api.md', import.meta.url)
const BEGIN = '<!-- rows: written by packages/gateway/test/web-api-table.test.ts -->\n'
const END = '<!-- end of rows -->\n'

interface Row {
  readonly label: string
  readonly args: readonly string[]
  readonly summary: string
}

type AnyRoute = Omit<Route<Exchange>, 'handle'>

const rowsOf = (target: string, routes: readonly AnyRoute[]): Row[] =>
  routes.map((route) => rowOf(target, route))

function rowOf(target: string, { method, t, args, summary }: AnyRoute): Row {
  const asked = t === '' || t === '*' ? '' : `?t=${t}`
  return { label: `${method} ${target}${asked}`, args, summary }
}

const sections: readonly (readonly [title: string, rows: readonly Row[]])[] = [
  ['Without a place: `/uri`', rowsOf('/uri', UNLINKED.routes)],
  ['Files: `/uri/FILECAP`, `/uri/DIRCAP/PATH`', rowsOf('FILE', FILES.routes)],
  ['Directories: `/uri/DIRCAP`, `/uri/DIRCAP/PATH`', rowsOf('DIR', DIRECTORIES.routes)],
  ['Names under which nothing stands: `/uri/DIRCAP/PATH`', rowsOf('NAME', PLACEHOLDERS.routes)],
  ['Caps that are not understood: `/uri/CAP`', rowsOf('UNKNOWN', UNKNOWN.routes)],
  [
    'The node',
    [
      {
        label: 'GET /file/CAP/NAME',
        args: ['save'],
        summary: 'The content of a file under any name; `/named` is the same',
      },
      ...PATHS.map((route) => rowOf(route.path, route)),
    ],
  ],
]

/** The test of each label that a title begins with, by the files of this folder. */
function testsByLabel(): Map<string, string> {
  const tests = new Map<string, string>()
  const folder = new URL('./', import.meta.url)
  const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts'))
  // The pages come last: the tests of what they show say more about a row.
  const order = (file: string): string => `${file.startsWith('pages') ? '~' : ''}${file}`
  for (const file of files.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const titles = /(?:describe|it|\))\(\s*(['`])((?:GET|PUT|POST|DELETE) .*?)\1/gs
    for (const [, , title = ''] of text.matchAll(titles)) {
      for (const part of title.split(', ')) {
        const label = /^(?:GET|PUT|POST|DELETE) [^\s,]+/.exec(part)?.[0]
        if (label !== undefined && !tests.has(label)) tests.set(label, file)
      }
    }
  }
  return tests
}

function table(): string {
  const tests = testsByLabel()
  return sections
    .map(([title, rows]) => {
      const lines = rows.map(({ label, args, summary }) => {
        const file = tests.get(label)
        const test = file === undefined ? '' : `[${file}](../../packages/gateway/test/${file})`
        const names = args.map((name) => `\`${name}\``).join(', ')
        return `| \`${label}\` | ${names} | ${summary.replaceAll('|', '\\|')} | ${test} |`
      })
      return `### ${title}\n\n| Request | Arguments | What it does | Test |\n|---|---|---|---|\n${lines.join('\n')}\n`
    })
    .join('\n')
}

it('stands in the documentation as it is, each row with its test', () => {
  const page = readFileSync(PAGE, 'utf8')
  const [before = '', rest = ''] = page.split(BEGIN)
  const [, after = ''] = rest.split(END)
  const current = `${before}${BEGIN}\n${table()}\n${END}${after}`
  if (process.env['LAFS_WRITE_TABLE'] !== undefined) writeFileSync(PAGE, current)
  expect(readFileSync(PAGE, 'utf8')).toBe(current)
  const untested = table()
    .split('\n')
    .filter((line) => line.endsWith('|  |'))
  expect(untested).toEqual([])
})
