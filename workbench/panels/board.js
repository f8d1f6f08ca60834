// The page of the review panel. It shows the widget's traits and sends back what the reviewer does. All text
// goes in as text: nothing here makes HTML of data.

const KEYS = [
  ["j ↓", "next line"], ["k ↑", "previous line"], ["space", "play the dub in its context, or stop"],
  ["o", "play the original"], ["t", "play the take by itself"], ["p", "play each line when it is reached, or not"], ["a", "approve"], ["Enter", "approve, and go to the next line"], ["x", "reject"],
  ["e", "edit the translation"], ["s", "correct the source text"], ["n", "write a note"],
  ["l", "lock or unlock the take"], ["g", "ask for a new take"], ["v", "who speaks is out of the picture, or in it"], ["r", "run the line again"], ["u", "undo"],
  ["m", "more: split, join, times, speaker, pronunciation, take"], ["/", "search"], ["Ctrl Enter", "save what is being written"], ["Esc", "leave it"], ["?", "these keys"],
]
const FLAGS = {
  conflict: "people disagree", stale: "decided on other words", orphaned: "its line is gone", moved: "moved",
  held: "waits for a rerun", pending: "not yet in the film", locked: "locked", unheard: "approved with another take",
  noted: "has a note", off_screen: "out of the picture", removed: "removed: nobody says it", added: "added by a reviewer",
}
const STATES = { open: "open", edited: "edited", approved: "approved", rejected: "rejected" }
const CONTEXT = 1000 // ms heard before and after a line

function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value)
  }
  if (node.tabIndex >= 0) node.setAttribute("data-lm-suppress-shortcuts", "true") // a key is ours, not the notebook's
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""))
  return node
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`
const clock = (ms) => {
  const s = Math.floor(ms / 1000)
  const hours = s >= 3600 ? `${Math.floor(s / 3600)}:` : ""
  const minutes = String(Math.floor((s % 3600) / 60)).padStart(hours ? 2 : 1, "0")
  return `${hours}${minutes}:${String(s % 60).padStart(2, "0")}.${Math.floor((ms % 1000) / 100)}`
}
const badge = (verdict) => h("span", { class: `wb-badge wb-${verdict}` }, verdict)
const fill = (node, ...children) => node.replaceChildren(...children.filter(Boolean))

function render({ model, el }) {
  const place = model.get("place")
  let asked = 0 // acts that the kernel has not answered yet
  let sent = 0 // number of the last act
  const due = new Map() // number of an act -> what follows from its answer
  const send = (message, answered) => {
    asked += 1; sent += 1
    if (answered) due.set(sent, answered)
    model.send({ ...message, number: sent })
  }
  const act = (verb, ...given) => send({ verb, given })
  const set = (name, value) => { model.set(name, value); model.save_changes() }
  const button = (label, key, verb, title) =>
    h("button", { type: "button", title, class: "wb-act", "data-verb": verb, onclick: () => (verb === "approve" ? approve() : act(verb)) }, label,
      key && h("kbd", { "aria-hidden": "true" }, key))

  // the head: how far the review is, and what goes for all lines
  const bar = h("progress", { class: "wb-bar", "aria-label": "lines approved" })
  const far = h("span", { class: "wb-far" })
  const status = h("p", { class: "wb-status", role: "status" })
  const running = h("div", { class: "wb-running", hidden: true })
  const help = h("dialog", { class: "wb-help", "aria-label": "Keys" },
    h("h3", {}, "Keys"),
    h("dl", {}, ...KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])),
    h("button", { type: "button", onclick: () => help.close() }, "Close"))
  const head = h("header", { class: "wb-head" },
    h("h2", {}, place.key), h("span", { class: "wb-soft" }, `${place.source} → ${place.target} · ${place.who}`),
    h("div", { class: "wb-progress" }, bar, far),
    h("div", { class: "wb-all" },
      button("Approve all without findings", "", "approve_ok", "Approve every open line in which nothing was found"),
      button("Run approved again", "", "rerun_approved", "Bring what is approved into the film"),
      button("Undo", "u", "undo", "Take back your last act"),
      h("button", { type: "button", class: "wb-act", "data-verb": "help", onclick: () => help.showModal() }, "Keys",
        h("kbd", { "aria-hidden": "true" }, "?"))))

  // which lines are shown
  const chips = h("div", { class: "wb-chips", role: "group", "aria-label": "Verdict" })
  const choice = (label, name) => {
    const select = h("select", { "aria-label": label, "data-name": name, onchange: () => set(name, select.value) })
    return select
  }
  const states = choice("State", "state"), speakers = choice("Speaker", "speaker"), order = choice("Order", "order")
  let typing
  const search = h("input", { type: "search", placeholder: "Search both texts", "aria-label": "Search both texts",
    oninput: () => { clearTimeout(typing); typing = setTimeout(() => set("search", search.value), 150) } })
  const filters = h("div", { class: "wb-filters", role: "search", "aria-label": "Lines shown" },
    chips, states, speakers, order, search)

  // the list
  const list = h("div", { class: "wb-list", role: "listbox", tabindex: "0", "aria-label": "Lines" })
  const turn = (step) => set("page", model.get("page") + step)
  const back = h("button", { type: "button", "aria-label": "Earlier lines", onclick: () => turn(-1) }, "‹")
  const forth = h("button", { type: "button", "aria-label": "Later lines", onclick: () => turn(1) }, "›")
  const range = h("span", {})
  const pager = h("div", { class: "wb-pager" }, back, range, forth)
  const name = (id) => `wb-${model.model_id ?? ""}-${id}`

  function showRows() {
    fill(list, ...model.get("rows").map((row) =>
      h("div", { class: `wb-row wb-is-${row.state}`, role: "option", id: name(row.id), "data-id": row.id,
        "aria-selected": "false", onclick: () => set("selected", row.id) },
        badge(row.verdict),
        h("span", { class: "wb-when" }, row.clock, h("b", {}, row.speaker)),
        h("span", { class: "wb-texts" },
          h("span", { lang: place.source, dir: "auto" }, row.source),
          h("span", { lang: place.target, dir: "auto" }, row.target)),
        h("span", { class: "wb-state" }, STATES[row.state],
          ...row.flags.map((flag) => h("small", { title: FLAGS[flag] ?? flag }, flag.replace("_", " ")))))))
    if (!list.children.length) fill(list, h("p", { class: "wb-none" }, "No line passes these filters."))
    showSelected()
  }

  function showSelected() {
    const id = model.get("selected")
    for (const row of list.querySelectorAll("[role=option]")) {
      row.setAttribute("aria-selected", String(row.dataset.id === id))
      if (row.dataset.id === id) row.scrollIntoView({ block: "nearest" })
    }
    if (list.querySelector("[aria-selected=true]")) list.setAttribute("aria-activedescendant", name(id))
    else list.removeAttribute("aria-activedescendant")
  }

  function showSummary() {
    const s = model.get("summary"), first = s.first ?? 0
    bar.max = Math.max(1, s.lines); bar.value = s.approved
    far.textContent = `${s.approved} of ${s.lines} lines approved`
    const chip = (value, label, count) => h("button", { type: "button", class: `wb-chip wb-${value || "all"}`,
      "data-verdict": value, "aria-pressed": String(model.get("verdict") === value),
      onclick: () => set("verdict", value) }, label, h("b", {}, String(count)))
    const at = [...chips.children].indexOf(document.activeElement)
    fill(chips, chip("", "all", s.lines), ...Object.entries(s.verdicts).map(([v, n]) => chip(v, v, n)))
    if (at >= 0) chips.children[at]?.focus()
    const options = (select, first, rows) => {
      fill(select, h("option", { value: "" }, first), ...rows.map(([v, label]) => h("option", { value: v }, label)))
      select.value = model.get(select.dataset.name)
    }
    const counted = (counts) => Object.entries(counts).map(([v, n]) => [v, `${v} (${n})`])
    options(states, "any state", [...counted(s.states), ...counted(s.flags)])
    options(speakers, "all speakers", s.speakers.map((v) => [v, v]))
    fill(order, h("option", { value: "worst" }, "worst first"), h("option", { value: "time" }, "by time"))
    order.value = model.get("order")
    const last = first + model.get("rows").length
    range.textContent = s.shown ? `${first + 1}–${last} of ${s.shown}` : "0 lines"
    back.disabled = first === 0; forth.disabled = last >= s.shown
  }

  // the selected line: what stands there is made once, and filled anew
  const facts = h("p", { class: "wb-facts" }), flags = h("ul", { class: "wb-flags" })
  const canvas = h("canvas", { role: "img", class: "wb-wave", onclick: (event) => seek(event) })
  const said = h("p", { class: "wb-said" })
  const film = h("video", { class: "wb-film", muted: true, playsinline: true, preload: "metadata", hidden: true,
    "aria-label": "The film's picture; it follows what is played" })
  film.muted = true
  const audio = h("audio", { preload: "none" })
  const player = (kind, label, key) => h("button", { type: "button", class: "wb-play", "data-kind": kind,
    "aria-pressed": "false", onclick: () => play(kind) }, h("span", {}, label), h("kbd", { "aria-hidden": "true" }, key))
  const players = [player("source", "Original", "o"), player("take", "Take", "t"), player("dub", "In the dub", "space")]
  const each = h("input", { type: "checkbox" })
  const drafts = { edit: new Map(), edit_source: new Map(), note: new Map() }
  const writing = (verb, label, was, rows) => {
    const area = h("textarea", { rows, "aria-label": label, "data-verb": verb, dir: "auto",
      lang: verb === "edit" ? place.target : verb === "edit_source" ? place.source : undefined,
      oninput: () => { drafts[verb].set(model.get("selected"), area.value); if (verb === "edit") guess(area.value) } })
    const save = () => { // the draft stays until the kernel has taken it
      const id = model.get("selected"), text = area.value
      drafts[verb].set(id, text)
      send({ verb, given: [text] }, (ok) => { if (ok) taken(verb, id, text) })
      list.focus()
    }
    const leave = () => { drafts[verb].delete(model.get("selected")); area.value = was(); list.focus(); showEdit() }
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave()
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save()
    })
    const box = h("div", { class: "wb-text" }, h("div", { class: "wb-label" }, h("span", {}, label),
      h("button", { type: "button", class: "wb-act", "data-save": verb, onclick: save }, "Save")), area)
    const show = () => { area.value = drafts[verb].get(model.get("selected")) ?? was() }
    return { area, box, show }
  }
  const source = writing("edit_source", "Source text", () => model.get("detail").source ?? "", 2)
  const target = writing("edit", "Translation", () => model.get("detail").target ?? "", 3)
  const note = writing("note", "Note", () => "", 1)
  const written = { edit: target, edit_source: source, note }
  function taken(verb, id, text) {
    if (drafts[verb].get(id) !== text) return // written on since
    drafts[verb].delete(id)
    if (model.get("selected") === id && document.activeElement !== written[verb].area) written[verb].show()
  }
  function approve(next) { // what is being written is saved first, or nothing is approved
    const id = model.get("selected"), text = drafts.edit.get(id), heard = drafts.edit_source.get(id)
    const drafted = Object.fromEntries([["text", text], ["source", heard]].filter(([, draft]) => draft !== undefined))
    send({ verb: "approve", named: drafted }, (ok) => {
      if (!ok) return
      if (text !== undefined) taken("edit", id, text)
      if (heard !== undefined) taken("edit_source", id, heard)
      if (next && Object.keys(drafted).length) act("next", 1)
    })
    if (next && !Object.keys(drafted).length) act("next", 1)
  }
  const diff = h("p", { class: "wb-diff", lang: place.target, dir: "auto" }), estimate = h("p", { class: "wb-soft" })
  const reopen = button("Reopen", "", "reopen", "Withdraw what was said of it, whoever said it")
  const lock = button("Lock take", "l", "lock", "Keep this take whatever changes")
  const verbs = h("div", { class: "wb-verbs" },
    button("Approve", "a", "approve", "It is right as it reads now"), button("Reject", "x", "reject", "It is not right"),
    reopen, lock, button("New take", "g", "regenerate", "Ask for another take, with the next rerun"),
    button("Run again", "r", "rerun", "Speak this line again, with all that follows"))

  // what is needed less often
  const field = (label, input) => h("label", {}, h("span", {}, label), input)
  const number = (label, properties) => h("input", { type: "number", "aria-label": label, ...properties })
  const part = (label, ...inside) => h("div", { class: "wb-part", role: "group", "aria-label": label },
    h("b", {}, label), h("div", {}, ...inside))
  const go = (label, verb, onclick, title) =>
    h("button", { type: "button", title, class: "wb-act", "data-more": verb, onclick }, label)
  const words = h("div", { class: "wb-words", lang: place.source, dir: "auto" })
  const join = go("Join with the next line", "merge", () => act("merge"), "Make one line of this one and the next")
  const start = number("Start, seconds", { step: "0.01", min: "0" }), end = number("End, seconds", { step: "0.01", min: "0" })
  const speaker = h("select", { "aria-label": "Who says it" })
  const sight = go("", "off_screen", () => act("off_screen"), "Lips need no match where nobody sees them")
  const term = h("input", { type: "text", maxlength: "200", lang: place.target, dir: "auto" })
  const sounds = h("input", { type: "text", maxlength: "200", dir: "auto" })
  const scope = h("select", { "aria-label": "Where it is spoken so" }, h("option", { value: "line" }, "in this line"),
    h("option", { value: "dub" }, "in the whole dub"), h("option", { value: "series" }, "in the series' lexicon"))
  const seed = number("Seed", { step: "1", min: "0", placeholder: "next" })
  const rate = number("Rate", { step: "0.05", min: "0.5", max: "2", placeholder: "fitting" })
  const settings = h("div", { class: "wb-settings" })
  const ms = (input) => Math.round(Number(input.value) * 1000)
  const given = (input) => (input.value.trim() === "" ? null : Number(input.value))
  const pronounce = () => { act("pronounce", term.value, sounds.value, scope.value); term.value = sounds.value = "" }
  const regenerate = () => {
    const d = model.get("detail"), named = { seed: given(seed), rate: given(rate) }
    for (const input of settings.querySelectorAll("input")) {
      const was = d.settings[input.name]
      const now = typeof was === "boolean" ? input.checked : typeof was === "number" ? Number(input.value) : input.value
      if (now !== was) named[input.name] = now
    }
    send({ verb: "regenerate", named })
  }
  const remove = go("Nobody says this line", "remove", () => act("remove"), "Leave it out of the dub: it was heard where nobody speaks")
  const from = number("From, seconds", { step: "0.01", min: "0" }), until = number("To, seconds", { step: "0.01", min: "0" })
  const by = h("select", { "aria-label": "Who says the new line" })
  const newText = h("input", { type: "text", lang: place.source, dir: "auto", "aria-label": "What is said" })
  const addLine = () => send({ verb: "add", given: [ms(from), ms(until), by.value, newText.value] },
    (ok) => { if (ok) { from.value = until.value = newText.value = ""; list.focus() } })
  const more = h("details", { class: "wb-more" }, h("summary", {}, "More", h("kbd", { "aria-hidden": "true" }, "m")),
    part("Line", join, sight, remove),
    part("Split before", words),
    part("Times", field("from", start), field("to", end),
      go("Set", "retime", () => act("retime", ms(start), ms(end)), "Give the line this time, in seconds")),
    part("Speaker", speaker, go("Set", "reassign", () => act("reassign", speaker.value), "This speaker says the line")),
    part("New line", field("from", from), field("to", until), by, field("text", newText),
      go("Add", "add", addLine, "Somebody says this, and it was not heard")),
    part("Pronounce", field("word", term), field("as", sounds), scope, go("Add", "pronounce", pronounce)),
    part("New take", field("seed", seed), field("rate", rate), settings,
      go("Ask", "regenerate", regenerate, "Speak it so with the next rerun")))
  const openMore = () => { more.open = !more.open; if (more.open) more.firstChild.focus() }

  function showMore(d, fresh) {
    join.disabled = d.last
    sight.textContent = d.flags.includes("off_screen") ? "Speaker is in the picture" : "Speaker is out of the picture"
    fill(words, ...d.cuts.map(([at, , second]) => h("button", { type: "button", "data-cut": at,
      title: `split at ${clock(at)}`, onclick: () => { act("split", at); list.focus() } }, second.split(" ")[0])))
    if (!d.cuts.length) fill(words, h("span", { class: "wb-soft" }, "No word of it was heard inside the line."))
    if (fresh || !more.contains(document.activeElement)) {
      start.value = (d.start / 1000).toFixed(2); end.value = (d.end / 1000).toFixed(2)
      fill(speaker, ...model.get("summary").speakers.map((v) => h("option", { value: v }, v)))
      speaker.value = d.speaker
      const before = by.value
      fill(by, ...model.get("summary").speakers.map((v) => h("option", { value: v }, v)))
      by.value = before || d.speaker
      fill(settings, ...Object.entries(d.settings).map(([key, was]) => field(key.replaceAll("_", " "),
        h("input", { name: key, type: typeof was === "number" ? "number" : typeof was === "boolean" ? "checkbox" : "text",
          step: Number.isInteger(was) ? "1" : "any", min: d.bounds[key]?.[0] ?? undefined, max: d.bounds[key]?.[1] ?? undefined, value: String(was), checked: was === true }))))
    }
    if (fresh) term.value = sounds.value = seed.value = rate.value = ""
  }
  const findings = h("ul", { class: "wb-findings" }), history = h("ol", { class: "wb-history" })
  const detail = h("section", { class: "wb-detail", "aria-label": "Selected line" },
    facts, flags, film, canvas, said, h("div", { class: "wb-players" }, ...players,
      h("label", { class: "wb-each" }, each, "play each line", h("kbd", { "aria-hidden": "true" }, "p"))), verbs,
    source.box, target.box, diff, estimate,
    h("h3", {}, "Findings"), findings, more, note.box, h("h3", {}, "Decisions"), history, audio)

  let shown = ""
  function showDetail() {
    const d = model.get("detail")
    detail.classList.toggle("wb-empty", !d.id)
    if (!d.id) return
    fill(facts, badge(d.verdict), h("b", {}, `${clock(d.start)} – ${clock(d.end)}`),
      h("span", {}, d.voice ? `${d.speaker}, voice ${d.voice}` : d.speaker),
      h("span", { class: `wb-state-${d.state}` }, STATES[d.state]),
      h("span", { class: "wb-soft" }, [d.id, d.mark === null ? "" : `mark ${d.mark}`].filter(Boolean).join(" · ")))
    fill(flags, ...d.flags.map((flag) => h("li", {}, FLAGS[flag] ?? flag)))
    if (d.id !== shown || document.activeElement !== source.area) source.show()
    if (d.id !== shown || document.activeElement !== target.area) target.show()
    if (d.id !== shown) note.show()
    showMore(d, d.id !== shown)
    if (d.id !== shown && !playing) show(d.start)
    shown = d.id
    reopen.hidden = !["approved", "rejected"].includes(d.state) && !d.flags.includes("conflict")
    lock.firstChild.textContent = d.locked ? "Unlock take" : "Lock take"
    players[1].firstChild.textContent = d.take ? `Take, ${seconds(d.take.ms)}` : "No take"
    fill(findings, ...d.findings.map((f) => h("li", {}, badge(f.verdict), h("b", {}, f.check), ` ${f.evidence.replace(/\.$/, "")}. `,
      h("i", {}, f.action))))
    if (!d.findings.length) fill(findings, h("li", { class: "wb-soft" }, "Nothing was found."))
    fill(history, ...d.decisions.map((one) => h("li", {}, h("b", {}, one.who), ` ${one.action}`,
      h("small", { class: "wb-log", title: "the log that holds it" }, one.log),
      one.text && h("q", { dir: "auto" }, one.text), h("span", { class: "wb-soft" }, ` ${one.at}`),
      one.standing === "holds" ? null : h("b", { class: "wb-standing" }, one.standing))))
    if (!d.decisions.length) fill(history, h("li", { class: "wb-soft" }, "Nobody has decided anything yet."))
    showEdit()
  }

  function showEdit() {
    const d = model.get("detail")
    if (!d.id) return
    const drafted = drafts.edit.has(d.id) && d.draft ? d.draft : d
    const changed = drafted.changes.some(([kind]) => kind !== "same")
    diff.hidden = !changed
    fill(diff, ...drafted.changes.map(([kind, text]) =>
      h(kind === "gone" ? "del" : kind === "new" ? "ins" : "span", {}, text)))
    const { ms, room, tempo } = drafted.length
    const said = d.take?.said ? ` and says “${d.take.said}”` : ""
    const now = d.take ? `The take lasts ${seconds(d.take.ms)}${said}; ` : ""
    const pace = tempo > 1 ? `, so it must be spoken ${tempo.toFixed(2)} times as fast` : ""
    estimate.textContent = changed
      ? `${now}the new text will take about ${seconds(ms)}. There is room for ${seconds(room)}${pace}.`
      : `${now}there is room for ${seconds(room)}.`
    estimate.classList.toggle("wb-tight", changed && tempo > 1.25)
  }

  let guessing
  function guess(text) {
    clearTimeout(guessing)
    guessing = setTimeout(() => act("guess", text), 150)
  }

  // sound: it is cut when the reviewer stays with a line, and follows what the line reads
  let staying
  function listen() {
    clearTimeout(staying)
    if (model.get("selected") && model.get("sound").id !== model.get("selected"))
      staying = setTimeout(() => act("listen"), 60)
  }
  let playing = null // { kind, until } in ms of the film; the take has a time of its own
  let wanted = null // what to play once the sound of the selected line is here
  function play(kind, from) {
    const sound = model.get("sound"), d = model.get("detail"), here = model.get("selected")
    const same = playing && playing.kind === kind && from === undefined
    audio.pause()
    wanted = sound.id === here && d.id === here ? null : kind
    if (wanted) return
    if (same || !sound.urls?.[kind]) return
    const begin = from ?? (kind === "dub" ? Math.max(sound.start, d.start - CONTEXT) : d.start)
    const until = kind === "dub" ? Math.min(sound.end, d.end + CONTEXT) : d.end
    playing = { kind, until: kind === "take" ? Infinity : until > begin ? until : sound.end }
    audio.src = sound.urls[kind]
    audio.dataset.kind = kind
    audio.currentTime = kind === "take" ? 0 : (begin - sound.start) / 1000
    if (kind !== "take") show(begin, true)
    audio.play().then(follow, () => { if (audio.error) said.textContent = "This sound cannot be played." })
    players.forEach((p) => p.setAttribute("aria-pressed", String(p.dataset.kind === kind)))
  }
  audio.addEventListener("pause", () => {
    playing = null
    film.pause()
    players.forEach((p) => p.setAttribute("aria-pressed", "false"))
    draw()
  })
  function show(at, moving) {
    if (film.hidden) return
    film.currentTime = at / 1000
    if (moving) film.play().catch(() => {}) // a pause that comes first is no fault
  }
  function showFilm() {
    film.hidden = !model.get("picture")
    if (!film.hidden) film.src = model.get("picture")
    else film.removeAttribute("src")
    show(model.get("detail").start ?? 0)
  }
  function follow() {
    if (!playing || audio.paused) return
    const at = model.get("sound").start + audio.currentTime * 1000
    if (at >= playing.until) { audio.pause(); return }
    draw(playing.kind === "take" ? undefined : at)
    requestAnimationFrame(follow)
  }
  function seek(event) {
    const sound = model.get("sound"), box = canvas.getBoundingClientRect()
    const at = sound.start + ((event.clientX - box.left) / box.width) * (sound.end - sound.start)
    play(event.clientY - box.top < box.height / 2 ? "source" : "dub", at)
  }

  function draw(head) {
    const s = model.get("sound"), d = model.get("detail")
    const width = canvas.clientWidth, height = canvas.clientHeight, dpr = window.devicePixelRatio || 1
    canvas.classList.toggle("wb-late", s.id !== model.get("selected"))
    if (!s.peaks) return
    canvas.hidden = !s.peaks.source
    said.textContent = s.said ?? ""
    if (canvas.hidden || !width) return
    canvas.width = width * dpr; canvas.height = height * dpr
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas)
    const colour = (of) => style.getPropertyValue(`--wb-${of}`).trim()
    const x = (ms) => ((ms - s.start) / (s.end - s.start)) * width
    const lane = (height - 44) / 2, tops = { source: 20, dub: 24 + lane }
    pen.scale(dpr, dpr)
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif"
    const band = (from, to, top, own) => {
      pen.fillStyle = colour(own ? "band" : "near")
      pen.fillRect(x(from), top, Math.max(1, x(to) - x(from)), lane)
    }
    s.lines.forEach((line) => band(line.start, line.end, tops.source, line.id === s.id))
    s.placed.forEach((line) => band(line.start, line.end, tops.dub, line.id === s.id))
    for (const kind of ["source", "dub"]) {
      const peaks = s.peaks[kind], loud = Math.max(10, ...peaks)
      pen.fillStyle = colour(kind)
      peaks.forEach((peak, i) => {
        const tall = Math.max(1, (peak / loud) * lane * 0.94)
        pen.fillRect((i / peaks.length) * width, tops[kind] + (lane - tall) / 2, width / peaks.length, tall)
      })
    }
    const write = (texts, y) => {
      let free = 0
      texts.forEach(([from, to, text, own]) => {
        const left = Math.max(free, x(from), 2), room = width - left
        if (left > Math.max(x(to), x(from) + 24) || room < 12) return
        const fitted = fit(pen, text, own === undefined ? room : Math.min(room, x(to) - left - 4))
        pen.fillStyle = colour(own === false ? "soft" : "ink")
        pen.fillText(fitted, left, y)
        free = left + pen.measureText(fitted).width + 5
      })
    }
    write(s.words, 13)
    write(s.placed.map((line) => [line.start, line.end, line.text, line.id === s.id]), height - 6)
    if (head !== undefined) { pen.fillStyle = colour("head"); pen.fillRect(x(head) - 1, 16, 2, height - 36) }
    canvas.setAttribute("aria-label", `Original above, dub below, ${clock(s.start)} to ${clock(s.end)}. Said: ` +
      s.words.map((word) => word[2]).join(" ") + `. In the dub: ${d.target}`)
  }

  function showProgress() {
    const p = model.get("progress")
    running.hidden = p.state !== "running" && p.state !== "failed"
    running.classList.toggle("wb-failed", p.state === "failed")
    if (p.state === "running") {
      fill(running, h("progress", { max: 1, value: p.part, "aria-label": "rerun" }),
        h("span", {}, p.stage ? `rerun: ${p.stage}` : "rerun: starting"))
    } else fill(running, h("span", {}, `The last rerun failed; takes and film are as before it. ${p.said ?? ""}`))
  }

  // a click anywhere in it focuses it, so that its keys are its own, and none is the notebook's
  const root = h("section", { class: "wb", tabindex: "-1", "data-lm-suppress-shortcuts": "true", "aria-label": `Review of ${place.key}` },
    head, running, status, filters, h("div", { class: "wb-body" }, h("div", { class: "wb-left" }, list, pager), detail), help)
  const does = {
    j: () => act("next", 1), k: () => act("next", -1), ArrowDown: () => act("next", 1), ArrowUp: () => act("next", -1),
    " ": () => play("dub"), o: () => play("source"), t: () => play("take"), a: () => approve(),
    Enter: () => approve(true), p: () => each.click(), x: () => act("reject"), l: () => act("lock"), g: () => act("regenerate"), r: () => act("rerun"), v: () => act("off_screen"),
    u: () => act("undo"), e: () => target.area.focus(), s: () => source.area.focus(), n: () => note.area.focus(),
    m: openMore, "/": () => search.focus(), "?": () => help.showModal(),
  }
  root.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input:not([type=checkbox]), textarea, select, dialog")
    const pressing = event.target.closest("button, summary, input") && [" ", "Enter"].includes(event.key)
    if (event.key === "Escape" && (event.target === search || more.contains(event.target))) list.focus()
    if (writing || pressing || event.ctrlKey || event.metaKey || event.altKey || !does[event.key]) return
    event.preventDefault(); event.stopPropagation()
    does[event.key]()
  })
  el.append(root)

  const shows = { rows: showRows, summary: showSummary, detail: showDetail,
    selected: () => { audio.pause(); showSelected(); draw(); listen(); if (each.checked) play("dub") }, picture: showFilm,
    verdict: showSummary, progress: showProgress, sound: () => { audio.pause(); draw(); if (wanted) play(wanted) },
    message: () => { status.textContent = model.get("message") } }
  const bound = Object.entries(shows).map(([trait, show]) => { model.on(`change:${trait}`, show); return [trait, show] })
  const answered = (answer) => {
    asked = Math.max(0, asked - 1)
    due.get(answer.number)?.(answer.ok)
    due.delete(answer.number)
  }
  model.on("msg:custom", answered)
  ;[showRows, showSummary, showDetail, showProgress, shows.message, showFilm, listen].forEach((show) => show())

  // what others do and what a rerun makes is asked for, while anybody looks
  let beats = 0
  const beat = setInterval(() => {
    beats += 1
    if (document.hidden || !root.isConnected || asked) return
    if (model.get("progress").state === "running" || beats % 3 === 0) act("refresh")
  }, 700)
  const sized = new ResizeObserver(() => draw()), themed = new MutationObserver(() => draw())
  sized.observe(canvas)
  themed.observe(document.body, { attributes: true })
  return () => {
    clearInterval(beat); sized.disconnect(); themed.disconnect(); audio.pause()
    bound.forEach(([trait, show]) => model.off(`change:${trait}`, show))
    model.off("msg:custom", answered)
  }
}

function fit(pen, text, room) {
  if (pen.measureText(text).width <= room) return text
  let kept = text
  while (kept && pen.measureText(`${kept}…`).width > room) kept = kept.slice(0, Math.floor(kept.length * 0.9))
  return kept ? `${kept}…` : ""
}

export default { render }
