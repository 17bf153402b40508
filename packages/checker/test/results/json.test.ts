import { checkAndRepairResultsJson, checkResultsData, checkResultsJson } from '@lafs/checker'
import type { ICheckAndRepairResults } from '@lafs/filesystem-interface'
import { describe, expect, it } from 'vitest'
import { createCheckResults } from '../../src/results/check-results.ts'

const storageIndex = Uint8Array.from({ length: 16 }, (_, index) => index)
const results = createCheckResults({
  storageIndex,
  uri: 'URI:CHK-Verifier:…',
  healthy: false,
  recoverable: false,
  needsRebalancing: true,
  happiness: 2,
  requiredShares: 3,
  totalShares: 10,
  goodShareCount: 2,
  wrongShareCount: 0,
  corruptShares: [{ serverId: 'v0-bbb', storageIndex, shareNumber: 7 }],
  incompatibleShares: [{ serverId: 'v0-ccc', storageIndex, shareNumber: 8 }],
  serversResponding: new Set(['v0-ccc', 'v0-aaa', 'v0-bbb']),
  goodShareHostCount: 2,
  recoverableVersionCount: 0,
  unrecoverableVersionCount: 1,
  sharemap: new Map([
    [0, new Set(['v0-ccc', 'v0-bbb'])],
    [4, new Set(['v0-aaa'])],
  ]),
  summary: 'Not Healthy: 2 shares (enc 3-of-10)',
  report: [],
})

// What upstream's json_check_results gives for the same.
const text =
  '{"storage-index": "aaaqeayeaudaocajbifqydiob4", "summary": "Not Healthy: 2 shares (enc 3-of-10)", "results": {"count-happiness": 2, "count-shares-good": 2, "count-shares-needed": 3, "count-shares-expected": 10, "count-good-share-hosts": 2, "count-corrupt-shares": 1, "list-corrupt-shares": [["v0-bbb", "aaaqeayeaudaocajbifqydiob4", 7]], "servers-responding": ["v0-ccc", "v0-aaa", "v0-bbb"], "sharemap": {"0": ["v0-bbb", "v0-ccc"], "4": ["v0-aaa"]}, "count-wrong-shares": 0, "count-recoverable-versions": 0, "count-unrecoverable-versions": 1, "healthy": false, "recoverable": false}}'

/** As Python spaces JSON. */
function pythonic(value: unknown): string {
  return JSON.stringify(value).replaceAll(/(?<=[\]}"\w])([,:])(?=[[{"\w])/g, '$1 ')
}

describe('the JSON of results', () => {
  it("is upstream's for a check, with all keys in order", () => {
    expect(JSON.stringify(checkResultsJson(results))).toBe(JSON.stringify(JSON.parse(text)))
    expect(pythonic(checkResultsJson(results))).toBe(text)
  })

  it("is upstream's for a check and repair", () => {
    const both: ICheckAndRepairResults = {
      storageIndex,
      storageIndexString: results.storageIndexString,
      repairAttempted: true,
      repairSuccessful: false,
      preRepairResults: results,
      postRepairResults: results,
    }
    expect(pythonic(checkAndRepairResultsJson(both))).toBe(
      `{"storage-index": "aaaqeayeaudaocajbifqydiob4", "repair-attempted": true, "repair-successful": false, "pre-repair-results": ${text}, "post-repair-results": ${text}}`,
    )
  })

  it("is upstream's for a file that is stored nowhere", () => {
    expect(pythonic(checkResultsJson(undefined))).toBe(
      '{"storage-index": "", "results": {"healthy": true}}',
    )
    expect(pythonic(checkAndRepairResultsJson(undefined))).toBe(
      '{"storage-index": "", "repair-attempted": false}',
    )
  })

  it('names the shares of mutable files as they are named', () => {
    const sharemap = new Map([['seq1-aaaa-sh0', new Set(['v0-aaa'])]])
    const json = checkResultsJson({ ...results, sharemap })
    expect(json.results).toMatchObject({ sharemap: { 'seq1-aaaa-sh0': ['v0-aaa'] } })
  })
})

describe('the data dictionary', () => {
  it('has the keys of upstream, and the one that upstream has dropped', () => {
    const data = checkResultsData(results)
    expect(Object.keys(data)).toEqual([
      'count-happiness',
      'count-shares-needed',
      'count-shares-expected',
      'count-shares-good',
      'count-good-share-hosts',
      'count-recoverable-versions',
      'count-unrecoverable-versions',
      'servers-responding',
      'sharemap',
      'count-wrong-shares',
      'list-corrupt-shares',
      'count-corrupt-shares',
      'list-incompatible-shares',
      'count-incompatible-shares',
      'needs-rebalancing',
    ])
    expect(data).toMatchObject({
      'count-happiness': 2,
      'count-corrupt-shares': 1,
      'list-corrupt-shares': [{ serverId: 'v0-bbb', storageIndex, shareNumber: 7 }],
      'count-incompatible-shares': 1,
      'needs-rebalancing': true,
    })
    expect(data.sharemap.get(0)).toEqual(['v0-bbb', 'v0-ccc'])
  })
})
