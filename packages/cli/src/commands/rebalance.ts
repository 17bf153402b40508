import { planRebalance, rebalance } from '@lafs/checker'
import type { CheckTarget, MoveOutcome, RebalancePlan } from '@lafs/checker'
import { toBase32 } from '@lafs/crypto'
import { traverse } from '@lafs/dirnode'
import type { GridOptions } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError, describeFailure } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext } from '../grid-command.ts'
import { findCheckTarget, rootDirectory } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { quoteOutput, quotePath } from '../quote.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'

/** The options of `rebalance`. */
export interface RebalanceOptions extends GridOptions {
  /** Show the plans and move nothing. */
  readonly dryRun?: boolean
  /** Everything that can be reached from the directories, too. */
  readonly recursive?: boolean
  /** A line of JSON about each object whose shares are to move. */
  readonly json?: boolean
}

/** What is told beside the plans. */
interface Beside {
  readonly bar: ProgressBar
  readonly failures: WalkFailures
}

/**
 * Moves shares of objects so that each survives the loss of more servers. In a tree, what cannot be
 * read or moved is told on standard error, the rest goes on, and the command ends badly.
 */
export async function rebalanceCommand(
  context: CommandContext,
  places: readonly string[],
  options: RebalanceOptions,
): Promise<void> {
  const { stderr, now } = context.terminal
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  const failures = new WalkFailures(stderr)
  let notMade = 0
  await withGrid(context, options, async (grid) => {
    try {
      for (const where of places.length === 0 ? [''] : places) {
        notMade +=
          options.recursive === true
            ? await rebalanceTree(grid, where, options, { bar, failures })
            : await rebalanceOne(grid, await findCheckTarget(grid, where), options, bar)
      }
    } finally {
      bar.end()
    }
  })
  if (notMade > 0) {
    const moves = notMade === 1 ? 'one move was' : `${notMade} moves were`
    const message = `${moves} not made; the old shares are where they were`
    throw new CommandError('CLI_INCOMPLETE', message)
  }
  failures.throwIfAny()
}

/** @returns how many moves were not made. */
async function rebalanceOne(
  grid: GridContext,
  target: CheckTarget,
  options: RebalanceOptions,
  bar: ProgressBar,
): Promise<number> {
  const { client, signal } = grid
  const plan = await planRebalance(target, client.checker, { signal, onProgress: bar.update })
  bar.end()
  return carryOut(grid, { target, path: undefined, plan }, options, bar)
}

/** The same for a tree: only what there is to move is told. */
async function rebalanceTree(
  grid: GridContext,
  where: string,
  options: RebalanceOptions,
  { bar, failures }: Beside,
): Promise<number> {
  const { client, signal } = grid
  let [objects, moves, notMade] = [0, 0, 0]
  for await (const entry of traverse(await rootDirectory(grid, where), { signal })) {
    if (entry.type === 'listing' || entry.node.unknown) continue
    try {
      if (entry.type === 'failure') throw entry.error
      bar.update({ phase: 'traversing', done: ++objects, total: undefined })
      const plan = await planRebalance(entry.node, client.checker, { signal })
      if (plan.moves.length === 0) continue
      bar.end()
      moves += plan.moves.length
      notMade += await carryOut(grid, { target: entry.node, path: entry.path, plan }, options, bar)
    } catch (error) {
      signal.throwIfAborted()
      bar.end()
      await failures.tell(entry.path, error)
    }
  }
  bar.end()
  const dryRun = options.dryRun === true
  const what = dryRun ? `${moves} shares to move` : `${moves - notMade} shares moved`
  const text = `done: ${objects} objects looked at, ${what}`
  const done = { type: 'stats', objects, moves, 'moves-made': dryRun ? 0 : moves - notMade }
  await writeLines(grid, [options.json === true ? pythonJson(done) : text])
  return notMade
}

/** What is to be done to one object. */
interface Task {
  readonly target: CheckTarget
  /** In a tree: from where the walk began. */
  readonly path: readonly string[] | undefined
  readonly plan: RebalancePlan
}

/** Tells of a plan, and makes its moves unless it is for show. @returns how many moves were not made. */
async function carryOut(
  grid: GridContext,
  task: Task,
  { dryRun, json }: RebalanceOptions,
  bar: ProgressBar,
): Promise<number> {
  const { path, plan } = task
  if (json !== true) {
    const title = path === undefined ? [] : [`${quotePath(path)}:`]
    await writeLines(grid, [...title, ...planLines(plan, serverNames(grid))])
  }
  const outcomes = dryRun === true ? [] : await makeMoves(grid, task, bar)
  if (json === true) await writeLines(grid, [pythonJson(taskJson(task, outcomes))])
  else await writeLines(grid, outcomes.map(outcomeLine))
  const failed = outcomes.filter(({ error }) => error !== undefined)
  for (const { move, error } of failed) {
    const place = `share ${move.shareNumber}`
    await writeTo(grid.terminal.stderr, `${describeFailure(error, place)}\n`)
  }
  return failed.length
}

async function makeMoves(
  { client, signal }: GridContext,
  { target, plan }: Task,
  bar: ProgressBar,
): Promise<readonly MoveOutcome[]> {
  if (plan.moves.length === 0) return []
  const options = { signal, onProgress: bar.update }
  const outcomes = await rebalance(target, plan, client.checker, options)
  bar.end()
  return outcomes
}

/** A plan and what came of it, by names like those of checks. */
function taskJson({ path, plan }: Task, outcomes: readonly MoveOutcome[]): object {
  return {
    type: 'object',
    path,
    'storage-index': toBase32(plan.storageIndex),
    'happiness-before': plan.happinessBefore,
    'happiness-after': plan.happinessAfter,
    moves: plan.moves.map(({ shareNumber, from, to, reason }, index) => {
      const outcome = outcomes[index]
      return {
        'share-number': shareNumber,
        from,
        to,
        reason,
        made: outcome !== undefined && outcome.error === undefined,
        'old-share-released': outcome?.oldShareReleased === true,
      }
    }),
  }
}

async function writeLines({ terminal }: GridContext, lines: readonly string[]): Promise<void> {
  for (const line of lines) await writeLine(terminal.stdout, line)
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
