/**
 * The text of a `tahoe.cfg` with an option set; everything else, comments too, stays as it is.
 *
 * @param value - one line; a `%` in it is doubled, as the file wants it.
 */
export function withTahoeCfgOption(
  text: string,
  section: string,
  option: string,
  value: string,
): string {
  const lines = text.split('\n')
  const line = `${option} = ${value.replaceAll('%', '%%')}`
  const start = lines.findIndex((one) => one.trimEnd() === `[${section}]`)
  if (start < 0) {
    const head = text === '' || text.endsWith('\n') ? text : `${text}\n`
    return `${head}${head === '' ? '' : '\n'}[${section}]\n${line}\n`
  }
  const length = lines.slice(start + 1).findIndex((one) => one.startsWith('['))
  const end = length < 0 ? lines.length : start + 1 + length
  const found = lines.findIndex(
    (one, index) => index > start && index < end && optionName(one) === option.toLowerCase(),
  )
  if (found >= 0) {
    // Lines that are indented go on with the value.
    let after = found + 1
    while (after < end && /^\s+\S/.test(lines[after] ?? '')) after++
    lines.splice(found, after - found, line)
    return lines.join('\n')
  }
  let last = end
  while (last > start + 1 && lines[last - 1]?.trim() === '') last--
  lines.splice(last, 0, line)
  return lines.join('\n').replace(/\n?$/, '\n')
}

/** The name of the option that a line sets; undefined for any other line. */
function optionName(line: string): string | undefined {
  return /^([^\s#;[=:][^=:]*)[=:]/.exec(line)?.[1]?.trim().toLowerCase()
}
