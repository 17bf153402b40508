import { planRebalance, rebalance } from '@lafs/checker'
import type { MoveOutcome, RebalancePlan } from '@lafs/checker'
import { toBase32 } from '@lafs/crypto'
import type { CommandContext } from '../command-context.ts'
import { CommandError, describeFailure } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findCheckTarget } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import { writeTo } from '../terminal.ts'

/** The options of `rebalance`. */
export interface RebalanceOptions extends GridOptions {
  /** Show the plans and move nothing. */
  readonly dryRun?: boolean
}

/** Moves shares of single objects so that each survives the loss of more servers. */
export async function rebalanceCommand(
  context: CommandContext,
  places: readonly string[],
  options: RebalanceOptions,
): Promise<void> {
  const { stderr, now } = context.terminal
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  let notMade = 0
  await withGrid(context, options, async (grid) => {
    try {
      for (const where of places.length === 0 ? [''] : places) {
        notMade += await rebalanceOne(grid, where, options, bar)
      }
    } finally {
      bar.end()
    }
  })
  if (notMade === 0) return
  const moves = notMade === 1 ? 'one move was' : `${notMade} moves were`
  throw new CommandError('CLI_INCOMPLETE', `${moves} not made; the old shares are where they were`)
}

/** @returns how many moves were not made. */
async function rebalanceOne(
  grid: GridContext,
  where: string,
  { dryRun }: RebalanceOptions,
  bar: ProgressBar,
): Promise<number> {
  const { client, signal, terminal } = grid
  const asked = { signal, onProgress: bar.update }
  const target = await findCheckTarget(grid, where)
  const plan = await planRebalance(target, client.checker, asked)
  bar.end()
  await writeLines(grid, planLines(plan, serverNames(grid)))
  if (dryRun === true || plan.moves.length === 0) return 0
  const outcomes = await rebalance(target, plan, client.checker, asked)
  bar.end()
  await writeLines(grid, outcomes.map(outcomeLine))
  const failed = outcomes.filter(({ error }) => error !== undefined)
  for (const { move, error } of failed) {
    const place = `share ${move.shareNumber}`
    await writeTo(terminal.stderr, `${describeFailure(error, place)}\n`)
  }
  return failed.length
}

async function writeLines({ terminal }: GridContext, lines: readonly string[]): Promise<void> {
  await writeTo(terminal.stdout, lines.map((line) => `${line}\n`).join(''))
}

function planLines(plan: RebalancePlan, nameOf: (serverId: string) => string): string[] {
  const count = plan.moves.length
  const moves = count === 0 ? 'nothing to move' : count === 1 ? '1 move' : `${count} moves`
  return [
    `Plan: ${moves}`,
    ` storage index: ${toBase32(plan.storageIndex)}`,
    ` servers of happiness: ${plan.happinessBefore} now, ${plan.happinessAfter} afterwards`,
    ...plan.moves.map(
      ({ shareNumber, from, to, reason }) =>
        ` share ${shareNumber}: from ${nameOf(from)} to ${nameOf(to)} (${reason})`,
    ),
  ]
}

function outcomeLine({ move, error, oldShareReleased }: MoveOutcome): string {
  const fate =
    error !== undefined
      ? 'not moved'
      : oldShareReleased
        ? 'moved'
        : 'moved; the old share stays until its leases end'
  return ` share ${move.shareNumber}: ${fate}`
}

/** The ids of servers, with the names that their operators gave them. */
function serverNames({ client }: GridContext): (serverId: string) => string {
  const nicknames = new Map(
    client.broker.knownServers().map(({ serverId, nickname }) => [serverId, nickname]),
  )
  return (serverId) => {
    const nickname = nicknames.get(serverId)
    return nickname ? `${serverId} ${quoteOutput(nickname)}` : serverId
  }
}
