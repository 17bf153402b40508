import { describe, expect, it } from 'vitest'
import { createCheckable } from '@lafs/checker'
import type { ICheckResults } from '@lafs/filesystem-interface'
import {
  chkChecks,
  chkShares,
  gridOf,
  mutableChecks,
  mutableShares,
  told,
} from './recorded-checks.ts'
import type { RecordedOutcome, RecordedServer, Told } from './recorded-checks.ts'

const chkSource = await chkShares()
const mutableSource = await mutableShares()

describe('immutable files that upstream checked', () => {
  const { cases, files, outcomes, servers } = chkChecks
  /** What upstream's own downloader cannot read either, but its verifier does. */
  const tooLong = /^(last byte of the )?length of the URI extension( too long by 1| 1999)?$/
  const confused = /share 2 in/

  /** What is to be found: what upstream finds, or what it finds where the share's blocks are bad. */
  const verdict = (file: string, name: string, number: number | undefined): RecordedOutcome => {
    const outcome = recorded(outcomes, number)
    if (!('error' in outcome) && !tooLong.test(name)) return outcome
    const other = cases.find(
      (one) => one.file === file && one.name === 'first byte of the block data',
    )
    return recorded(outcomes, other?.verify)
  }

  for (const [file, { cap, verifyCap }] of Object.entries(files)) {
    it(`finds the same in ${file}`, async () => {
      const own = cases.filter((one) => one.file === file && !confused.test(one.name))
      expect(own.length).toBeGreaterThan(50)
      for (const one of own) {
        const found = async (verify: boolean): Promise<Omit<Told, 'report'>> => {
          const context = await gridOf(one, servers, cap, chkSource)
          const results = await createCheckable(verifyCap, context).check({ verify })
          return withoutReport(shown(results, servers))
        }
        const { name } = one
        const check = withoutReport(recorded(outcomes, one.check))
        const verify = withoutReport(verdict(file, name, one.verify))
        expect({ name, check: await found(false) }).toEqual({ name, check })
        expect({ name, verify: await found(true) }).toEqual({ name, verify })
      }
    })
  }

  it('sees that blocks are those of another share, which upstream does not', async () => {
    const own = cases.filter(({ name }) => confused.test(name))
    expect(own).toHaveLength(2)
    for (const one of own) {
      const { cap = '', verifyCap = '' } = files[one.file] ?? {}
      const context = await gridOf(one, servers, cap, chkSource)
      const found = await createCheckable(verifyCap, context).check({ verify: true })
      expect(shown(found, servers).results['list-corrupt-shares']).toEqual([[5, 5]])
      expect(found?.goodShareCount).toBe(one.shares.length - 1)
    }
  })

  it('repairs what upstream repairs, and what it leaves where shares are corrupt', async () => {
    const repairs = cases.flatMap((one) => [
      { one, verify: false, theirs: one.repairAfterCheck },
      { one, verify: true, theirs: one.repairAfterVerify },
    ])
    let same = 0
    for (const { one, verify, theirs } of repairs) {
      if (theirs === undefined) continue
      const { cap = '', verifyCap = '' } = files[one.file] ?? {}
      const context = await gridOf(one, servers, cap, chkSource)
      const ours = await createCheckable(verifyCap, context).checkAndRepair({ verify })
      const label = `${one.file}: ${one.name}, verify: ${verify}`
      if ('error' in theirs) {
        expect([label, ours?.repairAttempted, ours?.repairSuccessful]).toEqual([label, true, false])
        continue
      }
      expect([label, ours?.repairAttempted]).toEqual([label, theirs['repair-attempted']])
      const after = withoutReport(recorded(outcomes, theirs['post-repair-results']))
      // Without a verification it is up to the reader of good shares whether it meets bad ones.
      const met = !verify && (one.damage.length > 0 || /another file/.test(one.name))
      if ((met || /corrupt|share 2 in/.test(one.name)) && ours?.repairAttempted === true) {
        const { repairSuccessful, postRepairResults } = ours
        expect([label, repairSuccessful, postRepairResults.goodShareCount]).toEqual([
          label,
          true,
          10,
        ])
        continue
      }
      expect([label, ours?.repairSuccessful]).toEqual([label, theirs['repair-successful']])
      const post = withoutReport(shown(ours?.postRepairResults, servers))
      const { sharemap: _sharemap, ...results } = post.results
      expect({ label, ...post, results }).toEqual({ label, ...after })
      same += 1
    }
    expect(same).toBeGreaterThan(25)
  })
})

describe('mutable files that upstream checked', () => {
  const { cases, files, outcomes, servers } = mutableChecks
  /** Upstream takes a share whose unsigned offsets are others for one of another version. */
  const offsets = /offset of the (block hash tree|share data|private key|end|share hash chain)/
  /** Upstream looks at them for one share of a version, and believes the others. */
  const unseen =
    /(first|last) byte of the public key|middle of the public key|^cut (before|within) the (public key|signature|share hash chain)|^cut to 1(07|23) bytes/
  const seenInVerify =
    /byte (in the middle )?of the signature|node number 0 of the share hash chain$/
  const keyWithoutWriteCap = /^cut (before|within) the private key|^cut by one byte/

  /** What else a case may come to: the share counts as missing, or as corrupt. */
  const stricter = (file: string, name: string): Told[] => {
    const outcomeOf = (like: string, how: 'check' | 'verify'): Told => {
      const one = cases.find((other) => other.file === file && other.name === like)
      const outcome = recorded(outcomes, one?.[how])
      if ('error' in outcome) throw new Error(`expected an outcome of ${like}`)
      return outcome
    }
    const missing = outcomeOf('3 shares', 'check')
    const corrupt = outcomeOf('first byte of the share data', 'verify')
    if (offsets.test(name)) return [missing]
    if (unseen.test(name)) return [missing, corrupt]
    if (seenInVerify.test(name) || keyWithoutWriteCap.test(name)) {
      return [corrupt]
    }
    // Ours reads small shares whole with its first request.
    if (/once it has listed/.test(name)) return [outcomeOf('10 shares', 'check')]
    return []
  }

  for (const [file, { cap, readCap }] of Object.entries(files)) {
    it(`finds the same in ${file}`, async () => {
      const own = cases.filter((one) => one.file === file)
      let same = 0
      for (const one of own) {
        for (const [how, used, verify] of [
          ['check', cap, false],
          ['verify', cap, true],
          ['verifyReading', readCap, true],
        ] as const) {
          const number = one[how]
          if (number === undefined) continue
          const context = await gridOf(one, servers, cap, mutableSource)
          const results = await createCheckable(used, context).check({ verify })
          const found = shown(results, servers)
          const theirs = recorded(outcomes, number)
          const accepted = [theirs, ...stricter(file, one.name)]
          const label = `${one.name}, ${how}`
          expect(accepted.map((outcome) => ({ label, ...outcome }))).toContainEqual({
            label,
            ...found,
          })
          if (JSON.stringify(found) === JSON.stringify(theirs)) same += 1
        }
      }
      expect(same).toBeGreaterThan(own.length)
    })
  }

  it('repairs what upstream repairs, and refuses what it refuses', async () => {
    for (const one of cases) {
      const theirs = one.repairAfterVerify
      if (theirs === undefined) continue
      const { cap = '' } = files[one.file] ?? {}
      const context = await gridOf(one, servers, cap, mutableSource)
      const label = `${one.file}: ${one.name}`
      const repairing = createCheckable(cap, context).checkAndRepair({ verify: true })
      const refused = 'error' in theirs && theirs.error === 'MustForceRepairError'
      // Upstream drops a rival that it cannot recover.
      if (refused || /rival/.test(one.name)) {
        await expect(repairing).rejects.toMatchObject({ name: 'MustForceRepairError' })
        continue
      }
      const ours = await repairing
      const done = [ours?.repairAttempted, ours?.repairSuccessful, ours?.postRepairResults.summary]
      if ('error' in theirs) {
        // Upstream's downloader gives up once it has met the corrupt ones, even where enough are left.
        expect([label, ...done.slice(0, 2)]).toEqual([label, true, /seven/.test(one.name)])
        continue
      }
      const after = recorded(outcomes, theirs['post-repair-results'])
      if ('error' in after) throw new Error(`expected results, got ${after.error}`)
      // Upstream makes no second share for a server that has one.
      const summary = /stopped/.test(one.name) ? 'Healthy' : after.summary
      const { 'repair-attempted': attempted, 'repair-successful': successful } = theirs
      expect([label, ...done]).toEqual([label, attempted, successful, summary])
      if (attempted && successful) {
        const again = await createCheckable(cap, context).check({ verify: true })
        expect([label, again?.healthy]).toEqual([label, true])
      }
    }
  })
})

function recorded(
  outcomes: readonly RecordedOutcome[],
  number: number | undefined,
): RecordedOutcome {
  const outcome = outcomes[number ?? -1]
  if (outcome === undefined) throw new Error(`no outcome ${String(number)}`)
  return outcome
}

/** Our results as they are recorded: shares that are named in a row in rising order, without reasons. */
function shown(results: ICheckResults | undefined, servers: readonly RecordedServer[]): Told {
  if (results === undefined) throw new Error('expected results')
  const found = told(results, servers)
  const lines = found.report.map((line) =>
    line.startsWith(' ')
      ? (line.split(':')[0] ?? '')
      : line.replace(
          /(ecoverable Versions: )(.*)/,
          (_, label: string, versions: string) => label + risen(versions.split('/')).join('/'),
        ),
  )
  const at = lines.indexOf('Corrupt Shares:') + 1 || lines.length
  const [words = '', shares] = found.summary.split('Shares: ')
  const summary =
    shares === undefined ? words : `${words}Shares: ${risen(shares.split(' ')).join(' ')}`
  return { ...found, summary, report: [...lines.slice(0, at), ...risen(lines.slice(at))] }
}

function risen(words: readonly string[]): string[] {
  return words.toSorted((a, b) => (a < b ? -1 : 1))
}

function withoutReport(outcome: RecordedOutcome): Omit<Told, 'report'> {
  if ('error' in outcome) throw new Error(`expected an outcome, got ${outcome.error}`)
  const { report: _report, ...rest } = outcome
  return rest
}
