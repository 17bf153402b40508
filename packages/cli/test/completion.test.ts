import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lafs-completion-'))
  for (const shell of ['bash', 'zsh', 'fish']) {
    writeFileSync(join(folder, shell), (await runHere(['completion', shell])).stdout)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What a shell offers for the last of these words. */
type Complete = (shell: string, words: readonly string[]) => string[]

const inBash: Complete = (shell, words) => {
  const script = `source "$0"; COMP_WORDS=(lafs "$@"); COMP_CWORD=$#; _lafs; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync(shell, ['-c', script, join(folder, 'bash'), ...words], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '')
}

/** With the parts of zsh's completion that the script calls. */
const inZsh: Complete = (shell, words) => {
  const script = `
    compdef() {}
    _files() {}
    _describe() { print -rl -- \${(P)argv[-1]} }
    source "$0"
    words=(lafs "$@"); CURRENT=$#words
    _lafs`
  const last = words.at(-1) ?? ''
  return execFileSync(shell, ['-f', '-c', script, join(folder, 'zsh'), ...words], {
    encoding: 'utf8',
  })
    .split('\n')
    .map((line) => line.replace(/:.*/, ''))
    .filter((word) => word !== '' && word.startsWith(last))
}

const inFish: Complete = (shell, words) => {
  const script = `source ${join(folder, 'fish')}; complete -C "lafs ${words.join(' ')}"`
  return execFileSync(shell, ['--no-config', '-c', script], { encoding: 'utf8', cwd: folder })
    .split('\n')
    .map((line) => line.replace(/\t.*/, ''))
    .filter((word) => word !== '' && !['bash', 'zsh', 'fish'].includes(word))
}

const isThere = (shell: string): boolean => {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const SHELLS: readonly (readonly [string, Complete])[] = [
  ['bash', inBash],
  ['zsh', inZsh],
  ['fish', inFish],
]

describe.each(SHELLS)('completion in %s', (shell, complete) => {
  const absent = !isThere(shell)
  if (absent) console.warn(`skipped: completion in ${shell}, which is not installed`)
  it.skipIf(absent).each([
    [['add'], ['add-server', 'add-alias']],
    [['admin', 'c'], ['counts']],
    [['-d', 'put', 'back'], ['backup']],
    [
      ['-q', 'debug', 'dump'],
      ['dump-cap', 'dump-share'],
    ],
    [['grid-manager', '-c', 'folder', 's'], ['sign']],
    [['put', '-m', '--form'], ['--format']],
    [
      ['backup', '--exclude-'],
      ['--exclude-from-utf-8', '--exclude-vcs'],
    ],
    [['put', '--format', ''], []],
  ])('of %j', (words, offered) => {
    expect(complete(shell, words).toSorted()).toEqual(offered.toSorted())
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('knows every command in %s', async (shell) => {
    const { stdout: help } = await runHere(['--help'])
    const commands = [...help.matchAll(/^ {2}([a-z][a-z-]+) .*$/gm)].map(([, name]) => name ?? '')
    expect(commands).toContain('backup')
    const { stdout } = await runHere(['completion', shell])
    for (const name of commands) if (name !== 'help') expect(stdout).toContain(name)
  })

  it('refuses another shell', async () => {
    const { status, stderr } = await runHere(['completion', 'tcsh'])
    expect([status, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')])
  })
})
