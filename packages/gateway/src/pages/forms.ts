import { checkbox } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

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
