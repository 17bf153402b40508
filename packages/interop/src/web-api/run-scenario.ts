import { setTimeout as sleep } from 'node:timers/promises'
import type { Values } from './fixtures.ts'
import { observe } from './observe.ts'
import type { Observation } from './observe.ts'
import { createRoles } from './roles.ts'
import type { Roles } from './roles.ts'
import { encodeForm } from './scenario.ts'
import type { WebGroup, WebStep } from './scenario.ts'
import { sendRequest } from './web-exchange.ts'
import type { WebRequest, WebResponse } from './web-exchange.ts'

/** The longest that an operation of the scenario may take, and the pause between two questions. */
const OPERATION_TIMEOUT_MS = 20_000
const ASK_AGAIN_MS = 50

/** What a gateway answered, by the id of the step. */
export type Observations = ReadonlyMap<string, Observation>

/**
 * Sends a scenario to a gateway, group by group.
 *
 * @param shared - values that every gateway is asked about, by name.
 * @param own - values that only this one is asked about.
 */
export async function runScenario(
  webUrl: string,
  groups: readonly WebGroup[],
  shared: Values,
  own: Values,
): Promise<Observations> {
  const roles = createRoles(webUrl)
  for (const [name, value] of shared) roles.keepShared(name, value)
  for (const [name, value] of own) roles.keep(name, value)
  const observations = new Map<string, Observation>()
  const asked = new Map<string, number>()
  for (const { name, steps } of groups) {
    for (const step of steps) {
      const id = stepId(name, step)
      const times = (asked.get(id) ?? 0) + 1
      asked.set(id, times)
      observations.set(times === 1 ? id : `${id} (${times})`, await runStep(webUrl, step, roles))
    }
  }
  return observations
}

/** What a step is known by. */
function stepId(group: string, { id, method, target }: WebStep): string {
  return `${group}: ${id ?? `${method} ${target}`}`
}

async function runStep(webUrl: string, step: WebStep, roles: Roles): Promise<Observation> {
  const request = requestOf(step, roles)
  const end = Date.now() + OPERATION_TIMEOUT_MS
  let response = await sendRequest(webUrl, request)
  while (step.untilFinished && !isFinished(response) && Date.now() < end) {
    await sleep(ASK_AGAIN_MS)
    response = await sendRequest(webUrl, request)
  }
  const observation = observe(request, response, webUrl, step.compare ?? 'exact', roles)
  if (step.keep !== undefined && response.status < 400) {
    roles.keep(step.keep, new TextDecoder().decode(response.body).trim())
  }
  return observation
}

/** The request of a step, with its values. */
function requestOf(step: WebStep, roles: Roles): WebRequest {
  const raw = (text: string): string => roles.fill(text, (value) => value)
  const { method, form, body } = step
  const target = roles.fill(step.target, encodeURIComponent)
  const named = Object.entries(step.headers ?? {}).map(([name, value]) => [name, raw(value)])
  const headers: Record<string, string> = Object.fromEntries(named)
  if (form !== undefined) {
    const filled = form.map((field) => ({
      ...field,
      value: typeof field.value === 'string' ? raw(field.value) : field.value,
    }))
    const encoded = encodeForm(filled)
    return {
      method,
      target,
      headers: { 'content-type': encoded.type, ...headers },
      body: encoded.body,
    }
  }
  const bytes = typeof body === 'string' ? new TextEncoder().encode(raw(body)) : body
  return { method, target, headers, body: bytes }
}

function isFinished(response: WebResponse): boolean {
  try {
    const answer: { finished?: unknown } = JSON.parse(new TextDecoder().decode(response.body))
    return answer.finished === true
  } catch {
    // What is not JSON says that the operation cannot be asked about.
    return true
  }
}
