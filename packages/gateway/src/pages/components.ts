import { html } from './html.ts'
import type { Html, Part } from './html.ts'

/** How good or bad something is; never told by colour alone. */
export type Tone = 'good' | 'warning' | 'bad' | 'plain'

const SIGNS: Readonly<Record<Tone, string>> = { good: '✓', warning: '!', bad: '✕', plain: 'i' }

/** The answer to the question that somebody opened the page with, in a box. */
export function banner(tone: Tone, title: string, text?: Part): Html {
  return html`<div class="banner ${tone}">
    <span class="sign" aria-hidden="true">${SIGNS[tone]}</span>
    <div>
      <p class="banner-title">${title}</p>
      ${text !== undefined && html`<div>${text}</div>`}
    </div>
  </div>`
}

/** A word in a small frame. */
export function badge(tone: Tone, text: string): Html {
  return html`<span class="badge ${tone}">${text}</span>`
}

/** One column of a {@link table}. */
export interface Column {
  readonly label: Part
  /** Shown before the value where a narrow screen turns the row into a block. */
  readonly short?: string
  readonly numeric?: boolean
  /** How the table is sorted by it now. */
  readonly sorted?: 'ascending' | 'descending' | undefined
}

/**
 * A table that becomes a list of blocks on narrow screens. Its roles are written out, since browsers
 * forget them where the layout is no table's. The first cell of a row is its heading.
 */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): Html {
  const heads = columns.map(
    ({ label, numeric, sorted }) =>
      html`<th
        role="columnheader"
        scope="col"
        ${numeric === true && html` class="number"`}${sorted !== undefined && html` aria-sort="${sorted}"`}
      >
        ${label}
      </th>`,
  )
  return html`<table role="table">
    <caption class="visually-hidden">
      ${caption}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${heads}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map((cells) => row(columns, cells))}
    </tbody>
  </table>`
}

function row(columns: readonly Column[], cells: readonly Part[]): Html {
  const [first, ...others] = cells
  const rest = others.map((cell, index) => {
    const column = columns[index + 1]
    const label = column?.short ?? (typeof column?.label === 'string' ? column.label : '')
    const attributes = html`${label !== '' && html` data-label="${label}"`}${column?.numeric === true && html` class="number"`}`
    return html`<td role="cell" ${attributes}>${cell}</td>`
  })
  return html`<tr role="row">
    <th role="rowheader" scope="row">${first}</th>
    ${rest}
  </tr> `
}

/** Names and values, one below the other. */
export function facts(
  entries: readonly (readonly [name: Part, value: Part] | false | undefined)[],
): Html {
  const shown = entries.filter((entry) => entry !== undefined && entry !== false)
  return html`<dl class="facts">
    ${shown.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`
}

/** Numbers that matter, large. */
export function tiles(
  entries: readonly (readonly [name: string, value: Part, tone?: Tone])[],
): Html {
  return html`<dl class="tiles">
    ${entries.map(
      ([name, value, tone = 'plain']) =>
        html`<div class="${tone}">
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`
}

/** A text to be taken away: the script of the page puts a button to copy it beside it. */
export function copyField(id: string, label: string, value: Html | string, hint?: Part): Html {
  const described = hint !== undefined && html` aria-describedby="${id}-hint"`
  return html`<div class="field copy">
    <label for="${id}">${label}</label
    >${hint !== undefined && html`<p class="hint" id="${id}-hint">${hint}</p>`}<input
      id="${id}"
      type="text"
      readonly
      value="${value}"
      spellcheck="false"
      autocomplete="off"
      data-copy${described}
    />
  </div>`
}

/** What is folded away until somebody asks for it; works without script. Of one group, one is open. */
export function fold(summary: Part, content: Part, classes = 'fold', group?: string): Html {
  return html`<details class="${classes}" ${group !== undefined && html` name="${group}"`}>
    <summary>${summary}</summary>
    <div class="folded">${content}</div>
  </details>`
}

/** A box to tick. With `otherwise`, an empty box sends that value. */
export function checkbox(name: string, label: Part, otherwise?: string, value = 'true'): Html {
  return html`<label class="check"
      ><input type="checkbox" name="${name}" value="${value}" /> <span>${label}</span></label
    >${otherwise !== undefined && html`<input type="hidden" name="${name}" value="${otherwise}" />`}`
}

/** A part of a page under a heading. */
export function section(id: string, heading: Part, content: Part): Html {
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${heading}</h2>
    ${content}
  </section>`
}
