import { badRequest } from './errors.ts'
import type { RequestArguments } from './request/arguments.ts'
import { quoteName } from './quote.ts'

/**
 * In which form an answer is wanted: an argument of one of these values, however capitals stand in it.
 *
 * @param name - `output` or `t`.
 * @returns undefined where it is not asked for.
 * @throws {@link WebError} 400 for anything else.
 * @see allmydata.web.common.MultiFormatResource
 */
export function formArgument<Form extends string>(
  args: RequestArguments,
  name: string,
  forms: readonly Form[],
): Form | undefined {
  const text = args.get(name)
  if (text === undefined) return undefined
  const wanted = text.toLowerCase()
  const form = forms.find((one) => one === wanted)
  if (form === undefined) throw badRequest(`Unknown ${name} value: '${quoteName(text)}'`)
  return form
}
