import { checkbox } from './components.ts'
import { exact, html } from './html.ts'
import type { Html, Part } from './html.ts'

/** A form that changes a folder, and then leads back to it. */
export function folderForm(action: string, content: Part): Html {
  return html`<form method="post" action="${action}" enctype="multipart/form-data">
    <input type="hidden" name="when_done" value="." />
    ${content}
  </form>`
}

/** A line for the name of something in a folder. @param value - a name to change, with which the reader begins. */
export function nameField(id: string, field: string, label: string, value?: string): Html {
  const begun = value !== undefined && html` value="${exact(value)}" autofocus`
  return html`<div class="field">
    <label for="${id}">${label}</label
    ><input id="${id}" name="${field}" type="text" required autocomplete="off" ${begun} />
  </div>`
}

/** A line for a key, which no browser corrects or remembers. */
export function keyField(id: string, field: string, label: string, hint?: Part): Html {
  const described = hint !== undefined && html` aria-describedby="${id}-hint"`
  return html`<div class="field">
    <label for="${id}">${label}</label>
    ${hint !== undefined && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    <input
      id="${id}"
      name="${field}"
      type="text"
      required
      spellcheck="false"
      autocomplete="off"
      autocapitalize="off"
      ${described}
    />
  </div>`
}

/** How something new is stored. */
export function formatChoice(id: string, what: 'file' | 'folder'): Html {
  const options =
    what === 'file'
      ? html`<option value="chk">As it is, never to change (for most files)</option>
          <option value="sdmf">To be changed later</option>
          <option value="mdmf">To be changed later, large (MDMF)</option>`
      : html`<option value="sdmf">Usual (SDMF)</option>
          <option value="mdmf">MDMF (for very large folders)</option>`
  return html`<div class="field">
    <label for="${id}-format">Kind of ${what}</label
    ><select id="${id}-format" name="format">
      ${options}
    </select>
  </div>`
}

/** What is to be done beside a check. */
export function checkOptions(repairable: boolean): Html {
  return html`<fieldset>
    <legend>Options</legend>
    ${checkbox('verify', 'Read and verify every byte (slow)')}
    ${repairable && checkbox('repair', 'Repair what is damaged')}
    ${checkbox('add-lease', 'Ask the servers to keep it for another month (renew leases)')}
  </fieldset>`
}
