import type { Command } from 'commander'

/** A command with what can stand after it. */
interface CommandNode {
  /** The names of the commands that lead to it, with spaces between them; empty for the program. */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly {
    /** With their dashes. */
    readonly short: string | undefined
    readonly long: string | undefined
    readonly description: string
    readonly takesValue: boolean
  }[]
}

/** The shells that completion is written for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number]

/**
 * A script that teaches a shell the commands and options of a program.
 *
 * @param program - its commands may be replaced by others of the same name in `whole`, which tell more.
 */
export function completionScript(
  program: Command,
  shell: Shell,
  whole: readonly Command[] = [],
): string {
  const replaced = new Map(whole.map((command) => [command.name(), command]))
  const nodes = commandNodes(program, '', replaced)
  const writers = { bash: bashScript, zsh: zshScript, fish: fishScript }
  return writers[shell](program.name(), nodes)
}

function commandNodes(
  command: Command,
  path: string,
  replaced: ReadonlyMap<string, Command>,
): CommandNode[] {
  const help = { short: '-h', long: '--help', description: 'show help', takesValue: false }
  const node = {
    path,
    commands: command.commands.map((one) => ({
      name: one.name(),
      description: one.description(),
    })),
    options: [
      ...command.options.map(({ short, long, description, required, optional }) => ({
        short,
        long,
        description,
        takesValue: required || optional,
      })),
      help,
    ],
  }
  const below = command.commands.flatMap((one) =>
    commandNodes(
      replaced.get(one.name()) ?? one,
      path === '' ? one.name() : `${path} ${one.name()}`,
      replaced,
    ),
  )
  return [node, ...below]
}

/** The words of a command that takes options with a value: the next word is none of ours. */
function valueOptions(nodes: readonly CommandNode[]): string[] {
  const words = nodes.flatMap(({ options }) =>
    options.flatMap(({ short, long, takesValue }) =>
      takesValue ? [short, long].filter((word) => word !== undefined) : [],
    ),
  )
  return [...new Set(words)]
}

function bashScript(name: string, nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`)
  const words = nodes.map(({ path, commands, options }) => {
    const all = [
      ...commands.map((command) => command.name),
      ...options.flatMap(({ short, long }) => [short, long].filter((word) => word !== undefined)),
    ]
    return `    '${path}') words='${all.join(' ')}' ;;`
  })
  const values = valueOptions(nodes).join('|')
  return `# bash completion for ${name}: source it, or put it into /etc/bash_completion.d
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= words= word next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${values}) ((i++)); continue ;;
    esac
    next=\${path:+$path }$word
    case $next in
      ${paths.join('|')}) path=$next ;;
    esac
  done
  COMPREPLY=()
  if ((i > COMP_CWORD)); then return; fi
  case $path in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`
}

function zshScript(name: string, nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`)
  const item = (word: string, description: string): string =>
    `'${word.replaceAll(':', '\\:')}:${zshText(description)}'`
  const cases = nodes.map(({ path, commands, options }) => {
    const names = commands.map((one) => item(one.name, one.description))
    const words = options.flatMap(({ short, long, description }) =>
      [short, long].flatMap((word) => (word === undefined ? [] : [item(word, description)])),
    )
    return `    '${path}')
      commands=(${names.join(' ')})
      options=(${words.join(' ')}) ;;`
  })
  return `#compdef ${name}
# zsh completion for ${name}: put it as _${name} into a folder of $fpath
_${name}() {
  local -a commands options
  local way= word next
  integer i
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    case $word in
      ${valueOptions(nodes).join('|')}) ((i++)); continue ;;
    esac
    next=\${way:+$way }$word
    case $next in
      ${paths.join('|')}) way=$next ;;
    esac
  done
  if ((i > CURRENT)); then _files; return; fi
  case $way in
${cases.join('\n')}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o option options
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`
}

function fishScript(name: string, nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`)
  const lines = nodes.flatMap(({ path, commands, options }) => {
    const here = `complete -c ${name} -n '__${name}_at "${path}"'`
    return [
      ...commands.map((one) => `${here} -f -a ${one.name} -d '${fishText(one.description)}'`),
      ...options.map(({ short, long, description, takesValue }) => {
        const words = [
          short === undefined ? '' : ` -s ${short.slice(1)}`,
          long === undefined ? '' : ` -l ${long.slice(2)}`,
          takesValue ? ' -r' : '',
        ]
        return `${here}${words.join('')} -d '${fishText(description)}'`
      }),
    ]
  })
  return `# fish completion for ${name}: put it as ${name}.fish into ~/.config/fish/completions
function __${name}_at
  set -l words (commandline -opc)
  set -e words[1]
  set -l path
  set -l skip 0
  for word in $words
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${valueOptions(nodes).join(' ')}
        set skip 1
        continue
    end
    set -l next $path $word
    if contains -- "$next" ${paths.join(' ')}
      set path $path $word
    end
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`
}

function zshText(text: string): string {
  return text.replaceAll("'", `'\\''`)
}

function fishText(text: string): string {
  return text.replaceAll(/['\\]/g, String.raw`\$&`)
}
