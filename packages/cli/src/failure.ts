import { escapeControls } from './quote.ts'

/** Exit statuses of the command. */
export const EXIT_OK = 0
export const EXIT_FAILURE = 1
/** The command line itself makes no sense. */
export const EXIT_USAGE = 2
/** Ctrl-C: 128 and the number of SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130
/** Whoever read our output has gone: 128 and the number of SIGPIPE. */
export const EXIT_BROKEN_PIPE = 141

/** A command line that makes no sense. The message says what to do instead. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly code = 'CLI_USAGE'
}

/** The codes of {@link CommandError}. */
export type CommandErrorCode =
  /** There is no such alias. */
  | 'CLI_UNKNOWN_ALIAS'
  /** The name or the cap of an alias is no good. */
  | 'CLI_BAD_ALIAS'
  /** There is an alias of this name already. */
  | 'CLI_EXISTING_ALIAS'
  /** Nothing stands at this path. */
  | 'CLI_NO_SUCH_FILE'
  /** A path leads on through something that is no directory. */
  | 'CLI_NOT_A_DIRECTORY'
  /** A directory stands where only a file would do. */
  | 'CLI_IS_A_DIRECTORY'
  /** A path is asked for that has a name at its end. */
  | 'CLI_NO_NAME'
  /** Something that this version does not know cannot be read. */
  | 'CLI_UNKNOWN_NODE'
  /** What is to be copied and where does not fit together. */
  | 'CLI_BAD_COPY'
  /** A directory contains itself and cannot be copied whole. */
  | 'CLI_CYCLE'
  /** A name that cannot be that of a local file, or of an entry on the grid. */
  | 'CLI_UNSAFE_NAME'
  /** The new link is there, and so is the old one. */
  | 'CLI_NOT_REMOVED'
  /** A directory was to be moved to a place below itself. */
  | 'CLI_INTO_ITSELF'
  /** A file is no share, or a damaged one. */
  | 'CLI_BAD_SHARE'
  /** A repair was tried and did not come to its end. */
  | 'CLI_NOT_REPAIRED'
  /** Something went wrong on the way; what is told is all the rest. */
  | 'CLI_INCOMPLETE'
  /** The state of an earlier run is not there, or is of no use. */
  | 'CLI_NO_STATE'
  /** A key is none. */
  | 'CLI_BAD_KEY'
  /** The storage server has a certificate of this name. */
  | 'CLI_EXISTING_CERTIFICATE'
  /** A file of Python's is none, or holds more than plain data. */
  | 'CLI_BAD_PICKLE'
  /** What should tell of storage servers does not. */
  | 'CLI_BAD_ANNOUNCEMENT'
  /** A node runs from the node directory, and cannot be asked. */
  | 'CLI_NO_WEB_API'
  /** No node runs from the node directory. */
  | 'CLI_NO_NODE_RUNNING'
  /** A local folder cannot be read. */
  | 'CLI_UNREADABLE_FOLDER'
  /** Something is to be changed with a cap that reads. */
  | 'CLI_READ_ONLY'
  /** The database of backups cannot be used. */
  | 'CLI_BAD_BACKUPDB'
  /** Nothing of a storage server is in this folder. */
  | 'CLI_NO_STORAGE'
  /** A local file is not what it was when it was begun. */
  | 'CLI_SOURCE_CHANGED'
  /** Nobody answers where the gateway should be. */
  | 'CLI_NO_GATEWAY'
  /** An answer of the gateway is none that it should give. */
  | 'CLI_BAD_ANSWER'
  /** An answer of the gateway ended too early. */
  | 'CLI_CUT_SHORT'

/** A command that cannot do what it was asked to. */
export class CommandError extends Error {
  override name = 'CommandError'
  readonly code: CommandErrorCode

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A failure, which is the cause, that ends the process with a status of its own. */
export class FailureWithStatus extends Error {
  override name = 'FailureWithStatus'
  readonly exitStatus: number

  constructor(exitStatus: number, cause: unknown) {
    super('a command failed', { cause })
    this.exitStatus = exitStatus
  }
}

/** What went wrong first, where giving something back failed after it. */
export function firstFailure(error: unknown): unknown {
  // Node 20 has no such class; what compilers put in its place has its name.
  if (!(error instanceof Error && error.name === 'SuppressedError')) return error
  return firstFailure((error as Error & { readonly suppressed?: unknown }).suppressed)
}

const NO_SERVERS =
  'List servers in private/servers.yaml, or start those that are listed; where tahoe.cfg has [grid_managers], servers need a certificate of one.'

/** What a user can do about a failure, by its code. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  NODEDIR_ABSENT:
    "Make one with 'lafs create-client' (or, to store for others, too: 'lafs create-node --hostname=NAME') and run it with 'lafs run'; or name another one with -d.",
  NODEDIR_BAD_CONFIG: 'Correct the tahoe.cfg of the node directory.',
  NODEDIR_UNKNOWN_OPTION: 'Correct the tahoe.cfg of the node directory.',
  NODEDIR_UNAVAILABLE: 'Change the tahoe.cfg of the node directory.',
  NODEDIR_CANNOT_LISTEN: 'Choose another port there, or end the other program.',
  NODEDIR_BAD_SECRET: 'Restore that file from a backup, or remove it to have a new secret made.',
  CLIENT_SERVERS_YAML_SYNTAX: 'Correct private/servers.yaml in the node directory.',
  CLIENT_SERVERS_YAML_BAD_SHAPE: 'Correct private/servers.yaml in the node directory.',
  CLIENT_SERVERS_YAML_BAD_FIELD: 'Correct private/servers.yaml in the node directory.',
  CLI_EXISTING_CERTIFICATE: 'Choose another name, or remove that one first.',
  CLI_NOT_REMOVED: "Remove that with 'lafs unlink'; to make an entry alone, use 'lafs ln'.",
  CLI_IS_A_DIRECTORY: 'Name a file in it.',
  CLI_BAD_PICKLE: 'Remove the file to have the server begin anew: only counts are lost.',
  CLI_NO_NODE_RUNNING: "Start it with 'lafs run', or name another node directory with -d.",
  CLI_NO_WEB_API:
    'Set web.port in the [node] section of its tahoe.cfg, such as tcp:3456:interface=127.0.0.1, and start it again.',
  CLI_UNREADABLE_FOLDER: 'Check the name of the folder, and who may read it.',
  CLI_READ_ONLY: 'Use a cap that writes.',
  CLI_BAD_BACKUPDB:
    'Move that file away to begin with a new one: nothing on the grid is lost by it.',
  UPLOAD_NO_SERVERS: NO_SERVERS,
  MUTABLE_NOT_ENOUGH_SERVERS: NO_SERVERS,
  UPLOAD_UNHAPPINESS:
    'Start more servers, or lower shares.happy in the [client] section of tahoe.cfg.',
  UPLOAD_SOURCE_CHANGED: 'Try again when nothing writes to the file.',
  DOWNLOAD_NOT_ENOUGH_SHARES: 'Start the servers that hold the other shares, and try again.',
  DOWNLOAD_NO_SHARES: 'Check that this is the right grid and that its servers are running.',
  DOWNLOAD_CRITICAL_DATA_UNAVAILABLE:
    'Check that the whole cap was copied, and nothing in it changed.',
  MUTABLE_UNRECOVERABLE: 'Check that this is the right grid and that its servers are running.',
  REPAIR_MUST_FORCE: 'A new version settles it: put what is there again, or change the directory.',
  MUTABLE_UNCOORDINATED_WRITE: 'Look at what stands there now, and try again.',
  NODE_NOT_WRITEABLE: 'Use a cap that writes.',
  STORAGE_UNREACHABLE: 'Check that the servers are running.',
  CLI_NO_GATEWAY: "Start the node with 'lafs run', or name another gateway with -u.",
  CLI_SOURCE_CHANGED: 'Try again when nothing writes to the file.',
  CLI_BAD_ANSWER: 'Check that -u or node.url names a Tahoe-LAFS node.',
  CLI_CUT_SHORT: 'Try again; the log of the node may say more.',
  ENOENT: 'Check the name of the file.',
  EACCES: 'Check who may read or write the file.',
  EEXIST: 'Name something that is not there yet.',
  ENOTDIR: 'Check the path: something in it is a file, and no folder.',
  EISDIR: 'Name a file, not a folder.',
  ENOSPC: 'Make room on the disk.',
}

/**
 * One line about a failure, for standard error: the code, what happened and what to do next. Caps
 * and FURLs are blotted out, even those that came in as the name of a file.
 *
 * @param place - what it is about, where one command does many things.
 */
export function describeFailure(error: unknown, place?: string): string {
  const message = error instanceof Error ? error.message : String(error)
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  const label = code === '' ? '' : `${code}: `
  const repeats = label !== '' && message.startsWith(label)
  const next = NEXT_STEPS[code] ?? familyHint(code)
  const sentence = /[.!?]$/.test(message.trim()) ? message.trim() : `${message.trim()}.`
  const about = place === undefined ? '' : `${place}: `
  const line = `${about}${repeats ? '' : label}${sentence}${next === undefined ? '' : ` ${next}`}`
  return `lafs: ${escapeControls(blotOutSecrets(line.replaceAll(/\s+/g, ' ')))}`
}

/** What can be done about whole families of codes. */
function familyHint(code: string): string | undefined {
  if (code.startsWith('WEB_5')) return 'The log of the node may say more.'
  // They are about caps, but for those of the URI extension block of a share.
  if (code.startsWith('URI_') && !code.includes('EXTENSION')) {
    return 'Check that the whole cap was copied.'
  }
  return undefined
}

/** The text without anything that looks like a cap or a FURL. */
export function blotOutSecrets(text: string): string {
  return text.replaceAll(/\b(URI(?::|%3[Aa])|pb:\/\/|x-tahoe-)[^\s'"]*/g, '[cap]')
}
