// @ts-check
// What the pages of the gateway gain from a script. All of them work without it.

const root = document.body.dataset['root'] ?? './'
const announcer = document.getElementById('announcer')

document.documentElement.classList.add('scripted')
enhance(document)
closeMenus()
refreshPage()
takeFiles()
takeFileAlone()
plotRates()

/**
 * Says something to those who listen to the page.
 *
 * @param {string} text
 */
function announce(text) {
  if (announcer) announcer.textContent = text
}

/**
 * Adds what markup alone cannot have to a part of the page.
 *
 * @param {ParentNode} part
 */
function enhance(part) {
  const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
  for (const element of part.querySelectorAll('time')) {
    element.title = element.textContent ?? ''
    element.textContent = times.format(new Date(element.dateTime))
  }
  for (const input of part.querySelectorAll('input[data-copy]')) {
    if (input instanceof HTMLInputElement) addCopyButton(input)
  }
}

/** @param {HTMLInputElement} input */
function addCopyButton(input) {
  const row = document.createElement('div')
  row.className = 'row'
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Copy'
  const label = input.labels?.[0]?.textContent ?? ''
  button.setAttribute('aria-label', `Copy: ${label}`)
  input.replaceWith(row)
  row.append(input, button)
  input.addEventListener('focus', () => input.select())
  button.addEventListener('click', () => {
    void copy(input).then(() => {
      button.textContent = 'Copied'
      announce('Copied')
      setTimeout(() => (button.textContent = 'Copy'), 2000)
    })
  })
}

/** @param {HTMLInputElement} input */
async function copy(input) {
  try {
    await navigator.clipboard.writeText(input.value)
  } catch {
    // Where the page may not write to the clipboard, the reader can.
    input.select()
    document.execCommand('copy')
  }
}

/** Closes a menu where another one opens, a click goes elsewhere, or Escape is pressed. */
function closeMenus() {
  /** @type {() => NodeListOf<HTMLDetailsElement>} */
  const open = () => document.querySelectorAll('details.menu[open]')
  document.addEventListener('click', ({ target }) => {
    for (const menu of open()) {
      if (!(target instanceof Node && menu.contains(target))) menu.open = false
    }
  })
  document.addEventListener('keydown', ({ key, target }) => {
    if (key !== 'Escape') return
    for (const menu of open()) {
      menu.open = false
      if (target instanceof Node && menu.contains(target)) menu.querySelector('summary')?.focus()
    }
  })
}

/** Keeps the parts of a page up to date that ask for it, while somebody looks. */
function refreshPage() {
  const seconds = Number(document.body.dataset['refresh'])
  if (!(seconds > 0)) return
  const delay = seconds * 1000
  const stopped = addStopButton()
  let failures = 0
  const tick = async () => {
    if (document.visibilityState === 'visible' && !stopped()) {
      const goesOn = await refresh().then(
        (more) => ((failures = 0), more),
        () => ++failures < 10,
      )
      if (!goesOn) return
    }
    setTimeout(() => void tick(), delay * (failures + 1))
  }
  setTimeout(() => void tick(), delay)
}

/**
 * Lets the reader of a page that changes by itself have it stand still.
 *
 * @returns {() => boolean} whether it shall.
 */
function addStopButton() {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Stop updating this page'
  button.setAttribute('aria-pressed', 'false')
  document.querySelector('footer')?.prepend(button)
  const stopped = () => button.getAttribute('aria-pressed') === 'true'
  button.addEventListener('click', () => button.setAttribute('aria-pressed', `${!stopped()}`))
  return stopped
}

/**
 * Fetches the page again and exchanges the parts that have changed.
 *
 * @returns {Promise<boolean>} whether it will change further.
 */
async function refresh() {
  const response = await fetch(location.href, { headers: { accept: 'text/html' } })
  if (!response.ok) throw new Error(`${response.status}`)
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
  const wasRunning = document.querySelector('[data-running]') !== null
  for (const part of document.querySelectorAll('[data-live]')) {
    const name = part.getAttribute('data-live') ?? ''
    const next = fresh.querySelector(`[data-live="${CSS.escape(name)}"]`)
    if (next) exchange(part, next)
  }
  if (wasRunning && document.querySelector('[data-running]') === null) {
    document.title = fresh.title
    announce('Done')
  }
  return fresh.body.hasAttribute('data-refresh')
}

/** What each part came with, to tell whether it has changed. @type {WeakMap<Element, string>} */
const shown = new WeakMap()

/**
 * Puts a fresh part in the place of an old one, unless nothing has changed or somebody works in it.
 * What was folded out stays so.
 *
 * @param {Element} part
 * @param {Element} next
 */
function exchange(part, next) {
  const markup = next.innerHTML
  if (shown.get(part) === markup) return
  const working = part.contains(document.activeElement) && document.activeElement !== document.body
  if (working || part.querySelector('details.menu[open]')) return
  const open = [...part.querySelectorAll('details')].map((details) => details.open)
  part.replaceChildren(...next.childNodes)
  part.toggleAttribute('data-running', next.hasAttribute('data-running'))
  for (const [index, details] of [...part.querySelectorAll('details')].entries()) {
    if (open[index]) details.open = true
  }
  shown.set(part, markup)
  enhance(part)
}

/**
 * A file that is to be stored, and the folders to make on the way to it.
 *
 * @typedef {{ file: File, path: string[] }} Upload
 *
 * How it is to be stored.
 *
 * @typedef {{ replace: boolean, format: string }} Wanted
 */

/** Stores files that are dropped, or chosen in the form, one after another. */
function takeFiles() {
  /** @type {HTMLElement | null} */
  const zone = document.querySelector('[data-drop]')
  const list = document.getElementById('uploads')
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector('form[data-upload]')
  const here = zone?.dataset['drop']
  if (!zone || !list || here === undefined) return
  const queue = createQueue(here, list)
  const input = form?.querySelector('input[type=file]')
  if (input instanceof HTMLInputElement) input.multiple = true
  form?.addEventListener('submit', (event) => {
    if (!(input instanceof HTMLInputElement)) return
    event.preventDefault()
    const fields = new FormData(form)
    const files = [...(input.files ?? [])].map((file) => ({ file, path: [file.name] }))
    form.reset()
    const fold = form.closest('details')
    if (fold) {
      fold.querySelector('summary')?.focus()
      fold.open = false
    }
    void queue(files, {
      replace: fields.get('replace') === 'true',
      format: formatIn(fields),
    })
  })
  acceptDrops(zone, (transfer) => {
    void droppedFiles(transfer).then((files) => queue(files, { replace: false, format: 'chk' }))
  })
}

/** Stores a file that is to stand in no folder, and goes on to the page that gives its key. */
function takeFileAlone() {
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector('form[data-store]')
  const list = document.getElementById('uploads')
  const input = form?.querySelector('input[type=file]')
  form?.addEventListener('submit', (event) => {
    const file = input instanceof HTMLInputElement ? input.files?.[0] : undefined
    if (!file || !list) return
    event.preventDefault()
    const row = createRow(list, { file, path: [file.name] })
    const format = formatIn(new FormData(form))
    send(`${root}uri?format=${segment(format)}`, file, row).then(
      (cap) => location.assign(`${root}uri/${segment(cap.trim())}?t=info`),
      (/** @type {unknown} */ error) => row.end(messageOf(error), true),
    )
  })
}

/** @param {FormData} fields */
function formatIn(fields) {
  const format = fields.get('format')
  return typeof format === 'string' ? format : 'chk'
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}

/**
 * @param {HTMLElement} zone
 * @param {(transfer: DataTransfer) => void} take
 */
function acceptDrops(zone, take) {
  const holdsFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes('Files') ?? false
  // Anywhere on the page, since a browser opens what is dropped beside the zone.
  document.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return
    event.preventDefault()
    zone.classList.add('dragging')
  })
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) zone.classList.remove('dragging')
  })
  document.addEventListener('drop', (event) => {
    if (!holdsFiles(event) || !event.dataTransfer) return
    event.preventDefault()
    zone.classList.remove('dragging')
    take(event.dataTransfer)
  })
}

/**
 * The files that were dropped, also those in folders.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Upload[]>}
 */
async function droppedFiles(transfer) {
  // Both must be asked for before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry())
  const files = [...transfer.files]
  if (entries.some((entry) => entry?.isDirectory)) {
    const found = await Promise.all(
      entries.map(async (entry) => (entry ? filesBelow(entry, []) : [])),
    )
    return found.flat()
  }
  return files.map((file) => ({ file, path: [file.name] }))
}

/**
 * @param {FileSystemEntry} entry
 * @param {string[]} above
 * @returns {Promise<Upload[]>}
 */
async function filesBelow(entry, above) {
  const path = [...above, entry.name]
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
    )
    return [{ file, path }]
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader()
  const found = []
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return found
    for (const one of some) found.push(...(await filesBelow(one, path)))
  }
}

/**
 * One file after another: each changes the same folder.
 *
 * @param {string} here
 * @param {Element} list
 * @returns {(uploads: Upload[], wanted: Wanted) => Promise<void>}
 */
function createQueue(here, list) {
  let last = Promise.resolve()
  let waiting = 0
  addEventListener('beforeunload', (event) => {
    if (waiting > 0) event.preventDefault()
  })
  return (uploads, wanted) => {
    waiting += uploads.length
    const rows = uploads.map((upload) => createRow(list, upload))
    last = last.then(async () => {
      const taken = await namesIn(here)
      /** @type {{ answer?: Answer }} */
      const forAll = {}
      let stored = 0
      for (const [index, upload] of uploads.entries()) {
        const row = rows[index]
        if (row && (await storeOne(here, upload, row, { ...wanted, taken, forAll }))) stored += 1
        waiting -= 1
      }
      announce(`${stored} of ${uploads.length} files stored`)
      await refresh().catch(() => false)
    })
    return last
  }
}

/**
 * The names in a folder.
 *
 * @param {string} here
 * @returns {Promise<Set<string>>}
 */
async function namesIn(here) {
  try {
    const response = await fetch(`${here}?t=json`)
    const [, { children }] = await response.json()
    return new Set(Object.keys(children))
  } catch {
    return new Set()
  }
}

/**
 * What shows one upload.
 *
 * @typedef {{ say: (text: string) => void, progress: (part: number | undefined) => void,
 *   cancelled: () => boolean, end: (text: string, failed: boolean) => void, onCancel: (cancel: () => void) => void }} Row
 */

/**
 * @param {Element} list
 * @param {Upload} upload
 * @returns {Row}
 */
function createRow(list, { file, path }) {
  const row = document.createElement('div')
  row.className = 'upload'
  const what = document.createElement('span')
  what.className = 'what'
  const name = document.createElement('bdi')
  name.textContent = visible(path.join('/'))
  what.append(name, ` (${size(file.size)})`)
  const cancel = document.createElement('button')
  cancel.type = 'button'
  cancel.textContent = 'Cancel'
  cancel.setAttribute('aria-label', `Cancel ${visible(file.name)}`)
  const bar = document.createElement('progress')
  bar.setAttribute('aria-label', `Storing ${visible(file.name)}`)
  bar.max = 1
  bar.value = 0
  const said = document.createElement('p')
  said.className = 'said'
  said.textContent = 'Waits'
  row.append(what, cancel, bar, said)
  list.append(row)
  row.scrollIntoView({ block: 'nearest' })
  let cancelled = false
  let stop = () => {
    cancelled = true
    said.textContent = 'Will be left out'
  }
  cancel.addEventListener('click', () => stop())
  return {
    say: (text) => (said.textContent = text),
    progress: (part) => {
      if (part === undefined) bar.removeAttribute('value')
      else bar.value = part
    },
    end: (text, failed) => {
      said.textContent = text
      bar.remove()
      row.classList.toggle('failed', failed)
      cancel.textContent = 'Hide'
      cancel.setAttribute('aria-label', `Hide ${visible(file.name)}`)
      stop = () => row.remove()
      if (failed) announce(`${visible(file.name)}: ${text}`)
    },
    cancelled: () => cancelled,
    onCancel: (abort) => (stop = abort),
  }
}

/**
 * @param {string} here
 * @param {Upload} upload
 * @param {Row} row
 * @param {Wanted & { taken: Set<string>, forAll: { answer?: Answer } }} rules
 * @returns {Promise<boolean>} whether it is stored.
 */
async function storeOne(here, { file, path }, row, { taken, replace, format, forAll }) {
  if (row.cancelled()) {
    row.end('Cancelled', false)
    return false
  }
  let names = path.map((name) => name.normalize('NFC'))
  let overwrite = replace
  const [only] = names
  if (!replace && only !== undefined && names.length === 1 && taken.has(only)) {
    const answer = forAll.answer ?? (await ask(only, forAll))
    if (answer === 'skip') {
      row.end('Left out: the name is taken', false)
      return false
    }
    if (answer === 'both') names = [freeName(only, taken)]
    overwrite = answer === 'replace'
  }
  // A folder is never replaced by a file.
  const rule = overwrite ? 'only-files' : 'false'
  const address = `${here}${names.map(segment).join('/')}?replace=${rule}&format=${segment(format)}`
  try {
    await send(address, file, row)
    const [name] = names
    if (name !== undefined) taken.add(name)
    row.end('Stored', false)
    return true
  } catch (error) {
    row.end(messageOf(error), true)
    return false
  }
}

/**
 * @param {string} name
 * @param {Set<string>} taken
 */
function freeName(name, taken) {
  const dot = name.lastIndexOf('.')
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  let number = 2
  while (taken.has(`${stem} (${number})${end}`)) number += 1
  return `${stem} (${number})${end}`
}

/** @typedef {'replace' | 'both' | 'skip'} Answer */

/**
 * Asks what to do about a name that is taken.
 *
 * @param {string} name
 * @param {{ answer?: Answer }} forAll
 * @returns {Promise<Answer>}
 */
function ask(name, forAll) {
  const dialog = document.createElement('dialog')
  const form = document.createElement('form')
  form.method = 'dialog'
  const title = document.createElement('h2')
  title.id = 'ask-title'
  const bdi = document.createElement('bdi')
  bdi.textContent = visible(name)
  title.append(bdi, ' is here already')
  dialog.setAttribute('aria-labelledby', title.id)
  const all = document.createElement('label')
  all.className = 'check'
  const box = document.createElement('input')
  box.type = 'checkbox'
  all.append(box, 'The same for the others')
  const buttons = document.createElement('div')
  buttons.className = 'toolbar'
  const choices = /** @type {const} */ ([
    ['both', 'Keep both'],
    ['replace', 'Replace it'],
    ['skip', 'Leave it out'],
  ])
  for (const [value, label] of choices) {
    const button = document.createElement('button')
    button.value = value
    button.textContent = label
    if (value === 'both') button.className = 'primary'
    buttons.append(button)
  }
  form.append(title, all, buttons)
  dialog.append(form)
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const answer = /** @type {Answer} */ (dialog.returnValue || 'skip')
      if (box.checked) forAll.answer = answer
      dialog.remove()
      resolve(answer)
    })
  })
}

/**
 * Sends a file, and shows first how far it has come to the node, then to the grid.
 *
 * @param {string} address
 * @param {File} file
 * @param {Row} row
 * @returns {Promise<string>} what the node answers.
 */
function send(address, file, row) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const pace = createPace()
    /** @type {AbortController | undefined} */
    let watching
    const finish = (/** @type {() => void} */ settle) => {
      watching?.abort()
      settle()
    }
    row.onCancel(() => request.abort())
    row.say('Begins')
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      row.progress(total > 0 ? loaded / total : 0)
      row.say(`To the node: ${pace(loaded, total)}`)
    })
    request.upload.addEventListener('load', () => {
      watching = new AbortController()
      row.progress(undefined)
      row.say('The node stores it in the grid')
      void watchGrid(file.size, row, watching.signal)
    })
    request.addEventListener('load', () => {
      const { status, responseText } = request
      if (status >= 200 && status < 300) finish(() => resolve(responseText))
      else finish(() => reject(new Error(firstLine(responseText) || `status ${status}`)))
    })
    request.addEventListener('error', () =>
      finish(() => reject(new Error('The node did not answer. Does it still run?'))),
    )
    request.addEventListener('abort', () => finish(() => reject(new Error('Cancelled'))))
    request.open('PUT', address)
    request.setRequestHeader('content-type', 'application/octet-stream')
    request.setRequestHeader('accept', 'text/plain')
    request.send(file)
  })
}

/**
 * Shows how far the node is with the only upload of such a size.
 *
 * @param {number} bytes
 * @param {Row} row
 * @param {AbortSignal} signal
 */
async function watchGrid(bytes, row, signal) {
  const pace = createPace()
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    try {
      const response = await fetch(`${root}status?t=json`, { signal })
      const { active } = await response.json()
      const uploads = active.filter(
        (/** @type {Record<string, unknown>} */ one) =>
          one['type'] === 'upload' && one['total-size'] === bytes,
      )
      const part = uploads.length === 1 ? Number(uploads[0]['progress-encode-push']) : Number.NaN
      if (signal.aborted || !(part > 0)) continue
      row.progress(part)
      row.say(`Into the grid: ${pace(part * bytes, bytes)}`)
    } catch {
      // It is only shown; the upload itself tells what came of it.
    }
  }
}

/**
 * Says how far something is, how fast it goes and how long it will take.
 *
 * @returns {(done: number, total: number) => string}
 */
function createPace() {
  let lastTime = performance.now()
  let lastDone = 0
  /** Bytes in a millisecond, averaged over the last seconds. @type {number | undefined} */
  let rate
  return (done, total) => {
    const now = performance.now()
    const elapsed = now - lastTime
    if (elapsed > 200) {
      const current = (done - lastDone) / elapsed
      const weight = 1 - Math.exp(-elapsed / 3000)
      rate = rate === undefined ? current : rate + weight * (current - rate)
      lastTime = now
      lastDone = done
    }
    const part = `${Math.floor((total > 0 ? done / total : 1) * 100)}%`
    if (rate === undefined || !(rate > 0)) return part
    const left = Math.ceil((total - done) / rate / 1000)
    return `${part}, ${size(rate * 1000)}/s${left > 0 ? `, ${time(left)} left` : ''}`
  }
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds < 90) return `${seconds} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

/** @param {number} bytes */
function size(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} bytes`
  let value = bytes
  let unit = 'bytes'
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 999.5) break
    value /= 1000
    unit = next
  }
  return `${value.toPrecision(3)} ${unit}`
}

/** @param {string} text */
function firstLine(text) {
  return visible((text.trim().split('\n', 1)[0] ?? '').slice(0, 300))
}

/**
 * A name with what cannot be seen in it replaced.
 *
 * @param {string} text
 */
function visible(text) {
  return text.replaceAll(
    /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    '\ufffd',
  )
}

/**
 * One part of a path; half a surrogate pair becomes U+FFFD.
 *
 * @param {string} text
 */
function segment(text) {
  return encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '\ufffd'))
}

/** Draws how many bytes are stored and read a second, over the last two minutes. */
function plotRates() {
  /** @type {HTMLElement | null} */
  const place = document.querySelector('[data-plot=rate]')
  if (!place) return
  const names = /** @type {const} */ (['uploader.bytes_uploaded', 'downloader.bytes_downloaded'])
  /** @type {{ at: number, values: number[] }[]} */
  const samples = []
  const tick = async () => {
    if (document.visibilityState === 'visible') {
      try {
        const response = await fetch(`${root}statistics?t=json`)
        const { counters } = await response.json()
        samples.push({ at: Date.now(), values: names.map((name) => counters[name] ?? 0) })
        if (samples.length > 61) samples.shift()
        if (samples.length > 2) drawRates(place, samples)
      } catch {
        // The next sample may come.
      }
    }
    setTimeout(() => void tick(), 2000)
  }
  void tick()
}

/**
 * @param {HTMLElement} place
 * @param {{ at: number, values: number[] }[]} samples
 */
function drawRates(place, samples) {
  const [width, height] = [600, 120]
  const rates = [0, 1].map((which) =>
    samples.slice(1).map(({ at, values }, index) => {
      const before = samples[index]
      if (!before) return 0
      const bytes = (values[which] ?? 0) - (before.values[which] ?? 0)
      return Math.max(0, bytes / ((at - before.at) / 1000))
    }),
  )
  const highest = Math.max(1000, ...rates.flat())
  const svg = (/** @type {string} */ name, /** @type {Record<string, string>} */ attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    return element
  }
  const picture = svg('svg', {
    viewBox: `0 0 ${width} ${height + 4}`,
    width: `${width}`,
    'aria-hidden': 'true',
  })
  for (const [which, all] of rates.entries()) {
    const points = all.map((rate, index) => {
      const x = ((60 - all.length + index + 1) / 60) * width
      return `${x.toFixed(1)},${(height - (rate / highest) * (height - 16)).toFixed(1)}`
    })
    picture.append(
      svg('polyline', {
        class: `curve ${which === 0 ? 'stored' : 'read'}`,
        points: points.join(' '),
      }),
    )
  }
  picture.append(
    svg('line', { class: 'grid', x1: '0', x2: `${width}`, y1: `${height}`, y2: `${height}` }),
  )
  const label = svg('text', { class: 'axis', x: '0', y: '11' })
  label.textContent = `${size(highest)}/s`
  picture.append(label)
  const legend = document.createElement('p')
  legend.className = 'legend'
  for (const [kind, which, name] of /** @type {const} */ ([
    ['stored', 0, 'stored'],
    ['taken', 1, 'read'],
  ])) {
    const key = document.createElement('span')
    key.className = `key ${kind}`
    key.textContent = `${name}: ${size(rates[which]?.at(-1) ?? 0)}/s`
    legend.append(key)
  }
  const heading = document.createElement('h2')
  heading.textContent = 'Now'
  const frame = document.createElement('div')
  frame.className = 'picture'
  frame.append(picture)
  place.hidden = false
  place.replaceChildren(heading, frame, legend)
}
